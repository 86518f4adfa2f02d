#!/usr/bin/python
"""kprov_certs_kubeconfigs: kubeconfigs of a control plane that are missing or broken, made anew."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_kubeconfigs
short_description: Rebuild kubeconfigs of a control plane with kubeadm
description:
  - A file that is missing, cut, of another cluster or another user, ended, or readable for everybody is made anew by
    C(kubeadm init phase kubeconfig), with the configuration of the cluster, in a directory of its own in memory. Only
    when the new one is what it should be (user and groups, CA, key, time) it takes the old one's place, in one step.
    One that is in order is left alone.
  - The address of the API server stays, if one of this cluster answers there. kubelet.conf names the certificate that
    the kubelet replaces by itself; where that cannot be used, the new one is put there. The kubelet is restarted then.
  - Restarts nothing else; see kprov_certs_reload.
options:
  files:
    description: >-
      admin.conf, super-admin.conf, controller-manager.conf, scheduler.conf, kubelet.conf; each to why it is rebuilt
      even if nothing is found wrong with it here. Where that is empty, it is not then.
    type: dict
    required: true
  node_name: {description: "This Node, if neither the cluster nor its certificate says it.", type: str, default: ""}
  config: {description: kubeadm's configuration; empty means kprov's or the cluster's., type: str, default: ""}
  bin_dir: {description: Where kubeadm is looked for first., type: str, default: ""}
author: kprov
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_kubeconfigs import Rebuild
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_module import finish, locked


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "required": True},
            "node_name": {"type": "str", "default": ""},
            "config": {"type": "str", "default": ""},
            "bin_dir": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    with locked(module, StepError, ValueError, subprocess.SubprocessError) as lock:
        result = Rebuild(module.params, lock, module.check_mode).run()
    finish(module, result)


if __name__ == "__main__":
    main()
