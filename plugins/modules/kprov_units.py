#!/usr/bin/python
"""kprov_units: systemd units in the wanted state, restarted only for a reason that survives a killed run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_units
short_description: Enable, start, stop units; restart them when their files differ from those of their last good start
description:
  - A restart is due when the digest over C(restart_on) differs from the one recorded at the unit's last good start, or
    nothing is recorded and the unit started before one of the files was written. Unlike a handler, this is not lost
    when a run is killed between writing a file and restarting the unit.
  - A start is good when the unit is active and C(ready) has exited with 0.
options:
  phase: {description: Phase that owns the units., type: str, required: true}
  deadline: {description: Seconds that a unit may take to become active and ready., type: int, default: 60}
  units:
    description: The units, handled in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Full name., type: str, required: true}
      state: {description: Wanted state., type: str, choices: [started, stopped], default: started}
      enabled: {description: Started at boot., type: bool, default: true}
      start_if: {description: "Without this path the unit is enabled, but neither started nor restarted.", type: path}
      restart_on: {description: Files that the running unit must have read., type: list, elements: path, default: []}
      ready: {description: "Command, exits with 0 when the unit works.", type: list, elements: str, default: []}
      deadline: {description: This unit's own., type: int}
  record: {description: "The phase ends with this call: cluster and fingerprints for its record.", type: dict}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_module import RECORD, end_phase, locked
from ansible.module_utils.kprov_systemd import DEADLINE, UNIT, UnitError, apply


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "record": RECORD,
            "deadline": {"type": "int", "default": DEADLINE},
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT},
        },
        supports_check_mode=True,
    )
    with locked(module, UnitError):
        parameters = module.params
        result = apply(parameters["phase"], parameters["units"], parameters["deadline"], module.check_mode)
        result = end_phase(module, result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
