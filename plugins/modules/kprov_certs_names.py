#!/usr/bin/python
"""kprov_certs_names: serving certificates of one control plane get the names that they lack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_names
short_description: Issue serving certificates again that are not valid for all their names
description:
  - The names are added to kubeadm's configuration of the cluster, beside those that the certificate and the
    configuration have; C(kubeadm init phase certs NAME) issues the certificate, and the configuration is uploaded, so
    that a later renewal or upgrade keeps them. A certificate that is not the old one with further names is replaced by
    the old one again, and the module fails.
  - Certificates that have all names are left alone. Restarts nothing; see kprov_certs_reload.
options:
  names: {description: "apiserver, etcd-server or etcd-peer to names and addresses.", type: dict, required: true}
  config: {description: kubeadm's configuration; empty means kprov's or the cluster's., type: str, default: ""}
  bin_dir: {description: Where kubeadm is looked for first., type: str, default: ""}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_names import Names
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import finish, locked


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "dict", "required": True},
            "config": {"type": "str", "default": ""},
            "bin_dir": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    with locked(module, StepError, CertificateProblem, ValueError) as lock:
        result = Names(module.params, lock, module.check_mode).run()
    finish(module, result)


if __name__ == "__main__":
    main()
