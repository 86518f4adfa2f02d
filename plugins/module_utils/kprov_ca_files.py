"""The files of a CA that is being rotated: CA.crt and CA.key, and beside them CA-next.* and CA-old.*.

CA.crt and CA.key belong together at any time, so kubeadm can renew and join all the while: CA.crt begins with the
certificate of CA.key, and what else is to be trusted follows.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import PEM, Certificate, from_pem
from ansible.module_utils.kprov_kubeadm_certs import Item, items, load_pair, read, text
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real

SUBJECT_KEY, AUTHORITY_KEY = "2.5.29.14", "2.5.29.35"  # identifiers, as OIDs


@dataclass(frozen=True)
class Authority:
    """A CA. file: below kubeadm's directory. probe: leaf that clients of its verifiers have, by kubeadm's name.

    readers: static pods that read the bundle only when they start.
    """

    name: str
    file: str
    probe: str
    readers: tuple[str, ...] = ()


AUTHORITIES = {
    each.name: each
    for each in (
        # https://github.com/etcd-io/etcd/issues/11555: the bundle is in the TLS configuration that etcd starts with;
        # the API server, as its client, is no better.
        Authority("etcd-ca", "etcd/ca", "etcd-healthcheck-client", ("etcd", "kube-apiserver")),
        # The API server reads it again when it changes (apiserver/pkg/server/dynamiccertificates).
        Authority("front-proxy-ca", "front-proxy-ca", "front-proxy-client"),
    )
}


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM. Not shown: repr() of it is in no message."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Pair(...)"

    @property
    def sha256(self) -> str:
        """Of the certificate."""
        return from_pem(self.certificate).sha256

    def load(self, context: ssl.SSLContext) -> None:
        """Make it what a context identifies itself with. Raises OSError."""
        load_pair(context, self.certificate.encode(), self.key.encode())


class Files:
    """Those of one CA on this node. Raises OSError, ValueError."""

    def __init__(self, authority: Authority, pki: str) -> None:
        self.base = f"{pki}/{authority.file}"
        self.crt, self.key = self.base + ".crt", self.base + ".key"
        self._leaves = [item for item in items(pki).values() if item.ca == self.base]

    def bundle(self) -> list[str]:
        """Certificates in PEM, in their order."""
        return PEM.findall(text(self.crt))

    def trusted(self) -> set[str]:
        """SHA-256 of what is in the bundle."""
        return {from_pem(each).sha256 for each in self.bundle()}

    def leaves(self) -> list[Item]:
        """What this CA signs, if it is on this node."""
        return [item for item in self._leaves if os.path.exists(real(item.path))]

    def beside(self, suffix: str) -> Pair | None:
        """CA-next or CA-old; None if it is not there as a whole."""
        crt, key = self.base + suffix + ".crt", self.base + suffix + ".key"
        if not (os.path.exists(real(crt)) and os.path.exists(real(key))):
            return None
        pair = Pair(text(crt), text(key))
        try:
            pair.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except ssl.SSLError:
            return None
        return pair

    def current(self) -> Pair:
        """What kubeadm signs with."""
        return Pair(self.bundle()[0], text(self.key))

    def put_beside(self, suffix: str, pair: Pair) -> None:
        """The key first: without the certificate it is nothing that anybody looks at."""
        kprov_fs.atomic_write(real(self.base + suffix + ".key"), pair.key.encode(), 0o600)
        kprov_fs.atomic_write(real(self.base + suffix + ".crt"), pair.certificate.encode(), 0o644)

    def trust(self, certificates: list[str]) -> None:
        """Make these the bundle."""
        content = "".join(f"{each.strip()}\n" for each in certificates)
        kprov_fs.atomic_write(real(self.crt), content.encode(), _mode(self.crt, 0o644))

    def replace_key(self, key: str) -> None:
        """Make this what kubeadm signs with."""
        kprov_fs.atomic_write(real(self.key), key.encode(), 0o600)

    def forget(self, suffix: str) -> list[str]:
        """Remove CA-next or CA-old, the key first; what was removed."""
        paths = [self.base + suffix + ending for ending in (".key", ".crt")]
        return [path for path in paths if kprov_fs.remove(real(path))]

    def signed_by(self, item: Item, certificate: str) -> bool:
        """Whether a leaf is of this CA, by the key identifiers that Go writes into both; kprov itself verifies it."""
        return belongs(read(item), from_pem(certificate))


def belongs(leaf: Certificate, authority: Certificate) -> bool:
    """By RFC 5280, 4.2.1.1 and 4.2.1.2. Raises StepError for a CA without an identifier."""
    identifier = authority.extensions.get(SUBJECT_KEY, b"")[2:]  # without the tag and length of its OCTET STRING
    if not identifier:
        raise StepError("the CA's certificate has no key identifier: kubeadm did not make it")
    return identifier in leaf.extensions.get(AUTHORITY_KEY, b"")


def _mode(path: str, default: int) -> int:
    try:
        return stat.S_IMODE(os.stat(real(path)).st_mode)
    except FileNotFoundError:
        return default
