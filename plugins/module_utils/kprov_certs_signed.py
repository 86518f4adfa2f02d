"""Renewed certificates from a CA whose key is not on the node. One of two sources of kprov_certs_renewal.

What each must be (names, usages, dates, signature) is checked on the controller before; here the key is: it never
leaves the node.
"""

from __future__ import annotations

import contextlib
from typing import Iterator

from ansible.module_utils import kprov_certs_requests as requests
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, from_pem
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, Item, belongs, broken_pair, text
from ansible.module_utils.kprov_paths import real


class Signed:
    """signed: name to PEM of the certificate, and of those between it and the CA."""

    def __init__(self, signed: dict[str, str], known: dict[str, Item]) -> None:
        self._signed = {name: pem.strip() + "\n" for name, pem in signed.items()}
        self._known = known

    def todo(self, found: dict[str, Certificate]) -> list[str]:
        """Names whose certificate is not in place yet. Raises CertificateProblem with all that do not fit."""
        names, problems = [], []
        for name, pem in self._signed.items():
            try:
                if name not in found:
                    raise ValueError("it is not on this node")
                if from_pem(pem).sha256 == found[name].sha256 and not broken_pair(self._known[name]):
                    continue
                if not belongs(pem.encode(), requests.key(name)):
                    raise ValueError("the signed certificate is of another key than the request that waits here")
                names.append(name)
            except (OSError, ValueError) as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise CertificateProblem("; ".join(problems))
        return names

    def remarks(self, found: dict[str, Certificate]) -> list[str]:
        """Nothing is left out."""
        return []

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """There is nothing to prepare."""
        yield

    def replace(self, item: Item) -> None:
        """Put certificate and key in place. The key that waits stays until judge() has seen both."""
        certificate, key = self._signed[item.name].encode(), requests.key(item.name)
        if item.kubeconfig:
            content = requests.embed(text(item.path), "client-certificate", certificate)
            kprov_fs.replace_content(real(item.path), requests.embed(content, "client-key", key).encode())
        else:
            kprov_fs.replace_content(real(item.key), key)
            kprov_fs.replace_content(real(item.path), certificate)

    def judge(self, item: Item, old: Certificate, new: Certificate) -> str | None:
        """Why it is not in place; None: it is, and nothing waits any more."""
        if new.sha256 != from_pem(self._signed[item.name]).sha256 or broken_pair(item):
            return "certificate and key do not belong together"
        requests.forget(item.name)
        return None
