"""lookup('kprov_reserve', capacity, profile=..., ...): what roles/kubelet reserves on a machine of that size."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kprov_reserve
short_description: Reservations and hard eviction thresholds for a machine
description:
  - A dictionary with C(kube_reserved), C(system_reserved) and C(eviction_hard) for KubeletConfiguration, and
    C(allocatable) as the Node will report it.
options:
  _terms: {description: "Capacity of the machine, as kprov_capacity returns it.", required: true}
  profile: {description: "gke, eks, aks or static.", required: true}
  max_pods: {description: Pods that the node may run., type: int, required: true}
  kube_reserved: {description: Merged over the profile's., type: dict, default: {}}
  system_reserved: {description: Merged over kprov's., type: dict, default: {}}
  eviction_hard: {description: Merged over the full set of defaults., type: dict, default: {}}
author: kprov
"""

from pathlib import Path

import ansible.module_utils
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

ansible.module_utils.__path__.append(str(Path(__file__).resolve().parents[1] / "module_utils"))

from ansible.module_utils import kprov_reserve

SETTINGS = ("profile", "max_pods", "kube_reserved", "system_reserved", "eviction_hard")


class LookupModule(LookupBase):
    """The arithmetic is in kprov_reserve."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        settings = {name: self.get_option(name) for name in SETTINGS}
        try:
            return [kprov_reserve.reserve(capacity, settings) for capacity in terms]
        except ValueError as error:
            raise AnsibleError(f"kubelet reservation: {error}") from error
