"""`kubeadm certs renew` on one control plane, and proof that it did."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, lost, rfc3339
from ansible.module_utils.kprov_certs_api import kubeadm_config
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import (
    CertificateProblem,
    Item,
    authority,
    broken_pair,
    due,
    externally_managed,
    items,
    present,
    read,
    seconds,
)
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_file
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import pki_directory, pods

KUBEADM_SECONDS = 60.0
DEFAULTS = re.compile(r"falling back to default configuration", re.IGNORECASE)
MISSING = re.compile(r"MISSING!")


class Renewal:
    """The certificates of this node. check_mode: only say what would be renewed."""

    def __init__(self, parameters: dict, lock: int | None, check_mode: bool) -> None:
        self._parameters = parameters
        self._lock = lock
        self._check_mode = check_mode
        self._pods = pods()
        self._known = items(pki_directory(self._pods))

    def run(self) -> dict:
        """The module's result."""
        unknown = sorted(set(self._parameters["only"]) - set(self._known))
        if unknown:
            raise StepError(f"kubeadm knows no {', '.join(unknown)}; it knows {', '.join(sorted(self._known))}")
        found = present(self._known)
        within = self._parameters["within"]
        todo = due(self._known, found, self._parameters["only"], seconds(within) if within else None, time.time())
        result: dict = {
            "changed": bool(todo),
            "changes": [f"renewed {name}" for name in todo],
            "warnings": self._skipped(found),
            "renewed": {},
        }
        if not todo or self._check_mode:
            return result
        with self._config() as config:
            for name in todo:
                new = self._renew(self._known[name], found[name], config)
                result["renewed"][name] = {"old": found[name].summary(), "new": new.summary()}
                result["warnings"] += self._outlives(self._known[name], new)
        return result

    def _skipped(self, found: dict[str, Certificate]) -> list[str]:
        external = [name for name in found if externally_managed(self._known[name]) and self._wanted(name)]
        absent = [name for name in self._parameters["only"] if name not in found]
        skipped = [f"{', '.join(external)}: not renewed, the key of the CA is not on this node"] if external else []
        return skipped + ([f"{', '.join(absent)}: not on this node"] if absent else [])

    def _wanted(self, name: str) -> bool:
        return not self._parameters["only"] or name in self._parameters["only"]

    @contextlib.contextmanager
    def _config(self):
        """Path of kubeadm's configuration."""
        given, recover = self._parameters["config"], self._parameters["recover"]
        path, text = kubeadm_config(self._pods["kube-apiserver"], given, runtime_endpoint(), recover=recover)
        if text is None:
            yield path
        else:
            with private_file("kubeadm.yaml", text) as path:
                yield path

    def _renew(self, item: Item, old: Certificate, config: str) -> Certificate:
        before = {path: file_content(path) for path in item.files}
        kubeadm = find_program("kubeadm", self._parameters["bin_dir"])
        runner = Runner("certs_renew", os.path.dirname(kubeadm), [], self._lock)
        try:
            output = runner.kubeadm(["certs", "renew", item.name, "--config", config], KUBEADM_SECONDS)
            new = read(item)
            wrong = _judge(item, old, new, output)
        except (StepError, CertificateProblem) as error:
            wrong, output = str(error), ""
        if wrong:
            for path, (content, mode) in before.items():
                kprov_fs.atomic_write(real(path), content, mode)
            raise StepError(f"kubeadm certs renew {item.name}: {wrong}. {item.path} is as it was before")
        return new

    def _outlives(self, item: Item, new: Certificate) -> list[str]:
        ca = authority(item)
        if new.not_after <= ca.not_after:
            return []
        return [f"{item.name} ends after its CA, which ends at {rfc3339(ca.not_after)}: the CA must be rotated before"]


def _judge(item: Item, old: Certificate, new: Certificate, output: str) -> str | None:
    """Why the new certificate is no renewal of the old one; None: it is."""
    if DEFAULTS.search(output):
        return "it used its default configuration instead of the cluster's"
    if MISSING.search(output) or new.serial == old.serial:
        return f"it ended well and renewed nothing (serial {new.serial:x}, it said: {output.strip()})"
    differing = lost(old, new)
    if differing:
        return f"the new certificate has other {', '.join(differing)}"
    if broken_pair(item):
        return "certificate and key do not belong together"
    return None


def file_content(path: str) -> tuple[bytes, int]:
    """What is in a file, and its mode."""
    with open(real(path), "rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
