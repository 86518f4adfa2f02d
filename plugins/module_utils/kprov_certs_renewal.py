"""Certificates of a control plane replaced by new ones, and proof that they are. Where those come from is a source.

Sources: kprov_certs_kubeadm (the CA's key is here), kprov_certs_signed (the owner of another CA has signed).
"""

from __future__ import annotations

import os
import stat

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, rfc3339
from ansible.module_utils.kprov_certs_kubeadm import Kubeadm
from ansible.module_utils.kprov_certs_signed import Signed
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, Item, authority, items, present, read
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod, pki_directory, pods


def source(
    parameters: dict, manifests: dict[str, StaticPod], known: dict[str, Item], lock: int | None = None
) -> Kubeadm | Signed:
    """Where new certificates come from, by the parameters of kprov_certs_renew."""
    signed = parameters.get("signed")
    return Signed(signed, known) if signed else Kubeadm(parameters, manifests, known, lock)


class Renewal:
    """The certificates of this node. check_mode: only say what would be renewed."""

    def __init__(self, parameters: dict, lock: int | None, check_mode: bool) -> None:
        manifests = pods()
        self._check_mode = check_mode
        self._known = items(pki_directory(manifests))
        self._source = source(parameters, manifests, self._known, lock)

    def run(self) -> dict:
        """The module's result. Raises StepError, CertificateProblem, ValueError, OSError."""
        found = present(self._known)
        todo = self._source.todo(found)
        result: dict = {
            "changed": bool(todo),
            "changes": [f"renewed {name}" for name in todo],
            "warnings": self._source.remarks(found),
            "renewed": {},
        }
        if not todo or self._check_mode:
            return result
        with self._source.ready():
            for name in todo:
                new = self._replace(self._known[name], found[name])
                result["renewed"][name] = {"old": found[name].summary(), "new": new.summary()}
                result["warnings"] += self._outlives(self._known[name], new)
        return result

    def _replace(self, item: Item, old: Certificate) -> Certificate:
        before = {path: file_content(path) for path in item.files}
        try:
            self._source.replace(item)
            new = read(item)
            wrong = self._source.judge(item, old, new)
        except (StepError, CertificateProblem) as error:
            wrong = str(error)
        if wrong:
            for path, (content, mode) in before.items():
                kprov_fs.atomic_write(real(path), content, mode)
            raise StepError(f"{item.name}: {wrong}. {item.path} is as it was before")
        return new

    def _outlives(self, item: Item, new: Certificate) -> list[str]:
        ca = authority(item)
        if new.not_after <= ca.not_after:
            return []
        return [f"{item.name} ends after its CA, which ends at {rfc3339(ca.not_after)}: the CA must be rotated before"]


def file_content(path: str) -> tuple[bytes, int]:
    """What is in a file, and its mode."""
    with open(real(path), "rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
