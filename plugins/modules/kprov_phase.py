#!/usr/bin/python
"""kprov_phase: the last task of every role."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_phase
short_description: Write the record of a finished phase and clear its dirty mark
description:
  - The record (/var/lib/kprov/phases/PHASE.json) holds what the phase's modules reported in this run, and the inputs of
    the phase, C(kprov_fingerprints[phase]). A run by hand knows no inputs; the next plan then runs the phase again.
options:
  phase: {description: Name of the phase., type: str, required: true}
  fingerprint: {description: Set by the action plugin., type: dict}
  cluster: {description: Set by the action plugin., type: str}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_state import PhaseRecord


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "fingerprint": {"type": "dict"},
            "cluster": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        with node_lock(check_mode=module.check_mode):
            record = PhaseRecord(module.params["phase"], "kprov_phase", module.check_mode)
            changed = record.finish(module.params["fingerprint"], module.params["cluster"])
    except LockTimeout as error:
        module.fail_json(msg=str(error))
    # In check mode nothing was reported, so there is nothing to compare; the other tasks say what would change.
    module.exit_json(changed=changed and not module.check_mode)


if __name__ == "__main__":
    main()
