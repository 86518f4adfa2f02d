#!/usr/bin/python
"""kprov_certs_request: requests for certificates whose CA has no key on this control plane, for its owner to sign."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_request
short_description: Make requests for certificates that another CA signs
description:
  - For each certificate of kubeadm's that is due and whose CA has no key on this node, a new private key and a request
    with exactly the subject, names and usages of the present certificate, in C(/var/lib/kprov/csr), for root only.
    Nothing that is in use is touched. A request that waits already and still asks for the same stays as it is.
  - C(kprov_certs_renew) with C(signed) puts the answers in place.
options:
  only:
    {description: Names as kubeadm has them; empty means all., type: list, elements: str, default: []}
  within:
    {description: "Ask for what has less time left, such as 30d; empty means all.", type: str, default: 30d}
author: kprov
"""

import time

from ansible.module_utils import kprov_certs_requests as requests
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, due, items, present, seconds
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_static_pods import pki_directory, pods


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "only": {"type": "list", "elements": "str", "default": []},
            "within": {"type": "str", "default": "30d"},
        },
        supports_check_mode=True,
    )
    only, within = module.params["only"], module.params["within"]
    made = []
    with locked(module, StepError, CertificateProblem, ValueError):
        known = items(pki_directory(pods()))
        found = present(known)
        span = seconds(within) if within else None
        wanted = due(known, found, only, span, time.time(), external=True)
        for name in wanted:
            if requests.prepare(known[name], found[name], check_mode=module.check_mode):
                made.append(name)
    module.exit_json(changed=bool(made), changes=[f"request for {name}" for name in made], requests=wanted)


if __name__ == "__main__":
    main()
