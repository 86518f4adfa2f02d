#!/usr/bin/python
"""kprov_certs_reload: everything on a control plane uses the certificates that are in its files, and proof of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_reload
short_description: Prove that the certificates in the files are in use; restart what does not take them by itself
description:
  - A TLS handshake on every address that kube-apiserver and etcd listen on must give the certificate in the file. Only
    a component that does not within its deadline is restarted, and only if C(may_restart).
  - kube-controller-manager, kube-scheduler and any other static pod with a kubeconfig of kubeadm is restarted if its
    container is older than that file, one at a time; then it must be healthy, and its lease must be renewed.
  - Looks only at what is there, so a run that was cut short is finished by the next one.
options:
  may_restart: {description: Restart kube-apiserver or etcd if need be., type: bool, default: false}
  kubeconfigs:
    description: >-
      Names such as scheduler.conf, admin.conf, kubelet.conf. If any, only what reads these is looked at; the kubelet,
      which is never restarted here, has to renew its node's Lease, an administrator has to be let in.
    type: list
    elements: str
    default: []
  bin_dir: {description: Where crictl is looked for first., type: str, default: ""}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_reload import Reload
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_lock import LockTimeout, node_lock


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "may_restart": {"type": "bool", "default": False},
            "kubeconfigs": {"type": "list", "elements": "str", "default": []},
            "bin_dir": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    reload = None
    try:
        with node_lock(check_mode=module.check_mode):
            parameters = module.params
            reload = Reload(
                parameters["bin_dir"], parameters["may_restart"], module.check_mode, parameters["kubeconfigs"]
            )
            reload.run()
    except (StepError, CertificateProblem, LockTimeout, ValueError) as error:
        done = f" (before that: {', '.join(reload.changes)})" if reload and reload.changes else ""
        module.fail_json(msg=f"{error}{done}")
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'node'}: {error.strerror or error}")
    module.exit_json(changed=bool(reload.changes), changes=reload.changes, proofs=reload.proofs)


if __name__ == "__main__":
    main()
