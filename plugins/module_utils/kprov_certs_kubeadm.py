"""Renewed certificates from kubeadm: the CA's key is on the node. One of two sources of kprov_certs_renewal."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import Iterator

from ansible.module_utils.kprov_certificate import Certificate, lost
from ansible.module_utils.kprov_certs_api import kubeadm_config
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import Item, broken_pair, due, externally_managed, seconds
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_file
from ansible.module_utils.kprov_static_pods import StaticPod

KUBEADM_SECONDS = 60.0
DEFAULTS = re.compile(r"falling back to default configuration", re.IGNORECASE)
MISSING = re.compile(r"MISSING!")


class Kubeadm:
    """`kubeadm certs renew NAME`. parameters: only, within, config, recover, bin_dir of kprov_certs_renew."""

    def __init__(
        self, parameters: dict, manifests: dict[str, StaticPod], known: dict[str, Item], lock: int | None
    ) -> None:
        self._parameters = parameters
        self._manifests = manifests
        self._known = known
        self._lock = lock
        self._config = ""
        self._output = ""

    def todo(self, found: dict[str, Certificate]) -> list[str]:
        """Names of what is due. Raises StepError for a name that kubeadm does not know, ValueError for the span."""
        only, within = self._parameters["only"], self._parameters["within"]
        unknown = sorted(set(only) - set(self._known))
        if unknown:
            raise StepError(f"kubeadm knows no {', '.join(unknown)}; it knows {', '.join(sorted(self._known))}")
        return due(self._known, found, only, seconds(within) if within else None, time.time())

    def remarks(self, found: dict[str, Certificate]) -> list[str]:
        """What is asked for and not kubeadm's to do."""
        only = self._parameters["only"]
        external = [name for name in found if externally_managed(self._known[name]) and (not only or name in only)]
        absent = [name for name in only if name not in found]
        why = "not renewed, the key of the CA is not on this node: `kprov certs csr export` asks who has it"
        skipped = [f"{', '.join(external)}: {why}"] if external else []
        return skipped + ([f"{', '.join(absent)}: not on this node"] if absent else [])

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """With kubeadm's configuration in a file."""
        given, recover = self._parameters["config"], self._parameters["recover"]
        path, text = kubeadm_config(self._manifests["kube-apiserver"], given, runtime_endpoint(), recover=recover)
        with contextlib.nullcontext(path) if text is None else private_file("kubeadm.yaml", text) as self._config:
            yield

    def replace(self, item: Item) -> None:
        """Have new files made. Raises StepError."""
        kubeadm = find_program("kubeadm", self._parameters["bin_dir"])
        runner = Runner("certs_renew", os.path.dirname(kubeadm), [], self._lock)
        try:
            self._output = runner.kubeadm(["certs", "renew", item.name, "--config", self._config], KUBEADM_SECONDS)
        except StepError as error:
            raise StepError(f"kubeadm certs renew: {error}") from error

    def judge(self, item: Item, old: Certificate, new: Certificate) -> str | None:
        """Why the new certificate is no renewal of the old one; None: it is. kubeadm's exit code proves nothing."""
        if DEFAULTS.search(self._output):
            return "kubeadm used its default configuration instead of the cluster's"
        if MISSING.search(self._output) or new.serial == old.serial:
            said = self._output.strip()
            return f"kubeadm ended well and renewed nothing (serial {new.serial:x}, it said: {said})"
        differing = lost(old, new)
        if differing:
            return f"the new certificate has other {', '.join(differing)}"
        return "certificate and key do not belong together" if broken_pair(item) else None
