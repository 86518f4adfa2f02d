"""Requests for certificates that wait on a node for their CA's answer: /var/lib/kprov/csr/NAME.csr, NAME.key beside it.

A request has a key of its own, as what `kubeadm certs renew` makes has: a key that stays for as long as somebody signs
it is one that a leak makes worthless for ever (cert-manager 1.18 made that its default, too). It waits here, for root
only, until its certificate is put in place; the key in use stays what it is until then.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass

from ansible.module_utils import kprov_certificate_request as signing
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, Item, belongs, embedded, text
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import make_state_directory

DIRECTORY = STATE + "/csr"


@dataclass(frozen=True)
class Paths:
    """Where a request waits."""

    request: str
    key: str


def paths(name: str) -> Paths:
    """name: kubeadm's of the certificate."""
    return Paths(f"{DIRECTORY}/{name}.csr", f"{DIRECTORY}/{name}.key")


def key(name: str) -> bytes:
    """The private key of the request that waits, PEM. Raises ValueError if none does."""
    try:
        with open(real(paths(name).key), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ValueError(f"no request for it waits on this node ({paths(name).key}): export it again") from None


def prepare(item: Item, old: Certificate, *, check_mode: bool) -> bool:
    """Have a request wait that asks for what the certificate says; True if there was none, or another one.

    A key that waits already stays: what was signed for it can still be put in place. Raises StepError,
    CertificateProblem when there will be no way to put the answer in place.
    """
    there, pem = paths(item.name), text(item.path)
    if item.kubeconfig:
        pem = embedded(pem, "client-certificate").decode()
        embed(text(item.path), "client-certificate", pem.encode())
    waits = os.path.exists(real(there.key)) and not belongs(pem.encode(), key(item.name))
    if waits and os.path.exists(real(there.request)):
        wanted = signing.asks(old, signing.public_key(real(there.key)))
        if signing.signed_part(text(there.request)) == wanted:
            return False
    if check_mode:
        return True
    make_state_directory(DIRECTORY)
    if not waits:
        kprov_fs.remove(real(there.request))  # of the key before
        kprov_fs.atomic_write(real(there.key), signing.new_key(old.public_key), 0o600)
    kprov_fs.atomic_write(real(there.request), signing.request(old, real(there.key)).encode(), 0o600)
    return True


def forget(name: str) -> None:
    """Nothing waits any more."""
    for path in (paths(name).request, paths(name).key):
        if kprov_fs.remove(real(path)):
            kprov_fs.sync_directory(real(DIRECTORY))


def embed(kubeconfig: str, name: str, pem: bytes) -> str:
    """The kubeconfig with another NAME-data. Raises CertificateProblem if it has none, several, or names a file."""
    data = base64.b64encode(pem).decode()
    pattern = rf"^([ \t-]*{name}-data:[ \t]*)[\"']?[A-Za-z0-9+/=]+[\"']?[ \t]*$"
    changed, count = re.subn(pattern, rf"\g<1>{data}", kubeconfig, flags=re.MULTILINE)
    if count != 1:
        raise CertificateProblem(f"a kubeconfig with {count} {name}-data, where kubeadm writes one")
    return changed
