#!/usr/bin/python
"""kprov_certs_etcd: renew the certificates of an etcd that is a service, and prove that it serves them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_etcd
short_description: Renew the certificates of an etcd that is no static pod
description:
  - Those in the directory of the CA that etcd trusts, signed by that CA, if its key is there. Subject, names, usages
    and the private key stay; a file is replaced in one step. A TLS handshake on each of etcd's addresses has to give
    what is in its file. Nothing is restarted.
  - Does nothing where etcd is a static pod, or where it does not run.
options:
  only:
    {description: Names as kubeadm has them; empty means all., type: list, elements: str, default: []}
  within:
    {description: "Renew what has less time left, such as 30d; empty means all.", type: str, default: 30d}
  recover: {description: Certificates have ended and etcd answers nobody., type: bool, default: false}
  keep: {description: How many backups stay on the node., type: int, default: 5}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_etcd import EtcdRenewal
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import locked


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "only": {"type": "list", "elements": "str", "default": []},
            "within": {"type": "str", "default": "30d"},
            "recover": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    asked = module.params
    renewal = EtcdRenewal(asked["only"], asked["within"], asked["recover"], asked["keep"], module.check_mode)
    with locked(module, StepError, CertificateProblem, ValueError, before=renewal.changes):
        result = renewal.run()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
