#!/usr/bin/python
"""kprov_certs_restore: the certificates of a control plane as they were in a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_restore
short_description: Put the certificates of a backup back into their files
description:
  - The certificates, keys and kubeconfigs that kubeadm renews, out of a backup that kprov_certs_backup has made on this
    node. CAs, the service account's key and manifests stay as they are.
  - Refused, before anything is changed, when a certificate of the backup has ended, does not fit its key, or was signed
    by another CA than the one on the node.
  - Restarts nothing; see kprov_certs_reload.
options:
  backup: {description: Name of the backup's directory; empty means the newest., type: str, default: ""}
  only:
    {description: Names as kubeadm has them; empty means all., type: list, elements: str, default: []}
  accept_expired: {description: Put certificates back that have ended., type: bool, default: false}
author: kprov
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_restore import Restore, directory_of
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, items
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_static_pods import pki_directory, pods


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "backup": {"type": "str", "default": ""},
            "only": {"type": "list", "elements": "str", "default": []},
            "accept_expired": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    with locked(module, StepError, CertificateProblem, ValueError):
        known = items(pki_directory(pods()))
        wanted = {name: item for name, item in known.items() if not parameters["only"] or name in parameters["only"]}
        directory = directory_of(parameters["backup"])
        restore = Restore(directory, wanted)
        problems = restore.problems(time.time(), parameters["accept_expired"])
        if problems:
            module.fail_json(msg=f"nothing was put back from {directory}: {'; '.join(problems)}")
        todo = restore.differing()
        if not module.check_mode:
            for name in todo:
                restore.write(name)
    restored = {name: restore.certificates[name].summary() for name in todo}
    module.exit_json(
        changed=bool(todo), changes=[f"put back {name}" for name in todo], restored=restored, backup=directory
    )


if __name__ == "__main__":
    main()
