#!/usr/bin/python
"""kprov_certs_backup: keep /etc/kubernetes and a snapshot of etcd before certificates are renewed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_backup
short_description: An archive of /etc/kubernetes and a snapshot of etcd, on the node
description:
  - Only when something is due on this node, or with C(always); C(backup) is empty otherwise. The snapshot comes from
    etcd's own client port and is checked against the checksum that it ends with.
options:
  only:
    {description: Names as kubeadm has them; empty means all., type: list, elements: str, default: []}
  within:
    {description: "Renew what has less time left, such as 30d; empty means all.", type: str, default: 30d}
  signed: {description: As for kprov_certs_renew., type: dict, default: {}}
  recover: {description: Certificates have ended and etcd answers nobody., type: bool, default: false}
  always:
    description: Due or not, damaged or not; without a snapshot of etcd. For what comes before files are put back.
    type: bool
    default: false
  keep: {description: How many backups stay on the node., type: int, default: 5}
author: kprov
"""

import time

from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_renewal import source
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, items, present, readable
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_static_pods import pki_directory, pods


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "only": {"type": "list", "elements": "str", "default": []},
            "within": {"type": "str", "default": "30d"},
            "recover": {"type": "bool", "default": False},
            "signed": {"type": "dict", "default": {}},
            "always": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    with locked(module, StepError, CertificateProblem, ValueError):
        manifests = pods()
        known = items(pki_directory(manifests))
        found = readable(known) if parameters["always"] else present(known)
        if not parameters["always"] and not source(parameters, manifests, known).todo(found):
            module.exit_json(changed=False, backup={})
        if module.check_mode:
            module.exit_json(changed=True, backup={})
        asked = "etcd" in manifests and not parameters["recover"] and not parameters["always"]
        made = backups.make(found, Etcd(manifests["etcd"]) if asked else None, time.time())
        removed = backups.forget_old(parameters["keep"])
    module.exit_json(changed=True, backup=made, removed_files=removed, changes=[made["directory"]])


if __name__ == "__main__":
    main()
