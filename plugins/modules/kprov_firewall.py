#!/usr/bin/python
"""kprov_firewall: what Kubernetes needs, opened in the firewall that runs. It is never switched on or off."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_firewall
short_description: Open ports and let networks pass in firewalld or ufw, close what is no longer wanted
description:
  - Where neither runs, nothing is done. A rule that was there before is not kprov's and stays; rules that this module
    made are recorded, and removed when they are no longer wanted.
options:
  phase: {description: Phase that owns the rules., type: str, required: true}
  open: {description: "Ports, as 10250/tcp or 30000-32767/udp.", type: list, elements: str, default: []}
  trust: {description: Networks whose traffic passes., type: list, elements: str, default: []}
  address: {description: Address of the node; tells its zone in firewalld., type: str, required: true}
  record: {description: "The phase ends with this call: cluster and fingerprints for its record.", type: dict}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_firewalls import Firewalld, FirewallError, Ufw
from ansible.module_utils.kprov_module import RECORD, command_runner, end_phase, locked
from ansible.module_utils.kprov_state import PhaseRecord


def apply(phase: str, ports: list[str], networks: list[str], firewalls: list, check_mode: bool = False) -> dict:
    """Bring the firewall that runs to the wanted state; the module's result. Call it under node_lock."""
    record = PhaseRecord.open(phase, check_mode, part="kprov_firewall")
    earlier = record.earlier("firewall")
    changes = []
    owned: dict[str, dict] = {}
    running = [firewall for firewall in firewalls if firewall.active()]
    for firewall in running:
        wanted, present = firewall.wanted(ports, networks), firewall.present()
        mine = {rule for rule, entry in earlier.items() if entry.get("firewall") == firewall.name}
        missing = [rule for rule in wanted if rule not in present]
        surplus = sorted(rule for rule in mine - set(wanted) if rule in present)
        changes += [f"{firewall.name}: {rule}" for rule in missing]
        changes += [f"{firewall.name}: no longer {rule}" for rule in surplus]
        owned.update({rule: {"firewall": firewall.name} for rule in wanted if rule in mine or rule in missing})
        # All that is or will be kprov's, before it is: a killed run can then be cleaned up after.
        record.add("firewall", {**{rule: {"firewall": firewall.name} for rule in surplus}, **owned})
        if not check_mode:
            if missing:
                firewall.add(missing)
            if surplus:
                firewall.remove(surplus)
    # Rules in a firewall that does not run now are still kprov's.
    names = {firewall.name for firewall in running}
    owned.update({rule: entry for rule, entry in earlier.items() if entry.get("firewall") not in names})
    record.replace(firewall=owned)
    return {"changed": bool(changes), "changes": changes, "firewalls": sorted(names)}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "record": RECORD,
            "open": {"type": "list", "elements": "str", "default": []},
            "trust": {"type": "list", "elements": "str", "default": []},
            "address": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )

    run = command_runner(module, {"LC_ALL": "C"})
    parameters = module.params
    firewalls = [Ufw(run), Firewalld(run, parameters["address"])]
    with locked(module, FirewallError):
        arguments = (parameters["phase"], parameters["open"], parameters["trust"], firewalls)
        result = end_phase(module, apply(*arguments, module.check_mode))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
