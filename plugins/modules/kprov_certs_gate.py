#!/usr/bin/python
"""kprov_certs_gate: whether a control plane is in a state in which its certificates may be renewed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_gate
short_description: Judge a control plane before and after its certificates are renewed
description:
  - Reads only. Fails with everything that is wrong on this node - etcd unhealthy, without a leader, with an alarm or a
    learner; the API server not ready; a CA expired; no room for a backup. What several nodes must agree on (the leader,
    the members, the time) is returned in C(gate) for the role to compare.
options:
  recover:
    description: Certificates have ended. Whether etcd and the API server are well can only be asked afterwards.
    type: bool
    default: false
  deadline: {description: Seconds to wait for a healthy state., type: int, default: 0}
author: kprov
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_gate import judge

POLL = 1.0


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"deadline": {"type": "int", "default": 0}, "recover": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    end = time.monotonic() + module.params["deadline"]
    while True:
        found, problems = judge(time.time(), module.params["recover"])
        if not problems or time.monotonic() >= end:
            break
        time.sleep(POLL)
    if problems:
        module.fail_json(msg="; ".join(problems), gate=found)
    module.exit_json(changed=False, gate=found)


if __name__ == "__main__":
    main()
