#!/usr/bin/python
"""kprov_certs_renew: new certificates on one control plane, from kubeadm or signed elsewhere, and proof of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_renew
short_description: Renew the certificates of a control plane that are due
description:
  - One after another by C(kubeadm certs renew NAME), with the configuration of the cluster, never kubeadm's defaults.
    The exit code of kubeadm proves nothing, so every certificate is compared with the one before. One that is not a
    renewal of it (other names, other usages) is replaced by the old one again, and the module fails.
  - With C(signed) they come from a CA whose key is not on the node, for the requests that wait there
    (kprov_certs_request); each must be of the key that waits.
  - Restarts nothing; see kprov_certs_reload.
options:
  only:
    {description: Names as kubeadm has them; empty means all., type: list, elements: str, default: []}
  within:
    {description: "Renew what has less time left, such as 30d; empty means all.", type: str, default: 30d}
  config:
    {description: kubeadm's configuration; empty means kprov's or the cluster's., type: str, default: ""}
  recover:
    description: Certificates have ended, so that the cluster cannot be asked for its configuration.
    type: bool
    default: false
  signed:
    description: Name to certificate, PEM, with those between it and the CA after it. If any, kubeadm renews nothing.
    type: dict
    default: {}
  bin_dir: {description: Where kubeadm is looked for first., type: str, default: ""}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_renewal import Renewal
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import finish, locked


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "only": {"type": "list", "elements": "str", "default": []},
            "within": {"type": "str", "default": "30d"},
            "config": {"type": "str", "default": ""},
            "recover": {"type": "bool", "default": False},
            "signed": {"type": "dict", "default": {}},
            "bin_dir": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    with locked(module, StepError, CertificateProblem, ValueError) as lock:
        result = Renewal(module.params, lock, module.check_mode).run()
    finish(module, result)


if __name__ == "__main__":
    main()
