#!/usr/bin/python
"""kprov_certs_rotate_ca: one step of a CA's rotation on one control plane, and proof that it has come to effect."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_rotate_ca
short_description: One step of replacing a CA by another
description:
  - C(offer), C(make) and C(keep) bring one new CA beside the old one of every control plane. C(trust) makes everything
    trust both, C(issue) has every leaf signed by the new one, C(distrust) puts the new one in the old one's place.
    C(prove) only shows that the new one is trusted. C(publish) and C(clean) come when all control planes are done.
  - Trust and distrust are proven by showing a certificate, made for that, to everybody who has to judge it.
  - Each step looks at what is there, does what is missing of it, and may be done again after it was cut anywhere.
  - Put C(no_log) on a task that makes or passes a CA. That hides error messages, too, so the failure of C(make) is
    returned as C(error) for the next task to tell.
options:
  authority: {description: Which CA., type: str, choices: [etcd-ca, front-proxy-ca], required: true}
  step:
    description: What to do.
    type: str
    choices: [offer, make, keep, trust, prove, issue, distrust, publish, clean]
    required: true
  pair: {description: "certificate and key of the new CA, in PEM, for C(keep).", type: dict}
  may_restart: {description: etcd and the API server may be restarted., type: bool, default: false}
  config: {description: "kubeadm's configuration, as for kprov_certs_renew.", type: str, default: ""}
  bin_dir: {description: Where kubeadm and crictl are looked for first., type: str, default: ""}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_ca_files import AUTHORITIES
from ansible.module_utils.kprov_ca_rotation import Rotation, fits
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_lock import LockTimeout, node_lock

QUIET = ("offer", "make")  # under no_log
STEPS = (*QUIET, "keep", "trust", "prove", "issue", "distrust", "publish", "clean")


def take(step: str, rotation: Rotation, pair: dict | None) -> dict:
    """Do a step; what it returns beside its changes."""
    if step in QUIET:
        found = rotation.offer() if step == "offer" else rotation.make()
        return {"pair": {"certificate": found.certificate, "key": found.key} if found else {}}
    if step == "keep":
        rotation.keep(fits(pair or {}))
    else:
        getattr(rotation, step)()
    return {"proofs": rotation.proofs}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "authority": {"type": "str", "choices": sorted(AUTHORITIES), "required": True},
            "step": {"type": "str", "choices": list(STEPS), "required": True},
            "pair": {"type": "dict", "no_log": True},
            "may_restart": {"type": "bool", "default": False},
            "config": {"type": "str", "default": ""},
            "bin_dir": {"type": "str", "default": ""},
        },
        required_if=[("step", "keep", ["pair"])],
        supports_check_mode=True,
    )
    step = module.params["step"]
    rotation, problem, result = None, "", {}
    try:
        with node_lock(check_mode=module.check_mode) as lock:
            rotation = Rotation(module.params, lock, module.check_mode)
            result = take(step, rotation, module.params["pair"])
    except (StepError, CertificateProblem, LockTimeout, ValueError, KeyError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename or 'node'}: {error.strerror or error}"
    changes = rotation.changes if rotation else []
    if problem and step in QUIET:
        module.exit_json(changed=False, pair={}, error=problem)
    if problem:
        module.fail_json(msg=problem + (f" (before that: {', '.join(changes)})" if changes else ""))
    module.exit_json(changed=bool(changes) and step not in QUIET, changes=changes, **result)


if __name__ == "__main__":
    main()
