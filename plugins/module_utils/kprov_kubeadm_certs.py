"""The certificates that `kubeadm certs renew` renews, under its names: where each lies and who signs it."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import ssl
from dataclasses import dataclass

from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils.kprov_certificate import Certificate
from ansible.module_utils.kprov_paths import real

KUBERNETES = "/etc/kubernetes"
PKI = KUBERNETES + "/pki"
ADMIN_CONF = KUBERNETES + "/admin.conf"


class CertificateProblem(Exception):
    """A file is not what it should be; the message is for the user."""


@dataclass(frozen=True)
class Item:
    """name: kubeadm's. path: the certificate or the kubeconfig that holds it. ca: the CA's path without suffix."""

    name: str
    path: str
    ca: str

    @property
    def kubeconfig(self) -> bool:
        return self.path.endswith(".conf")

    @property
    def key(self) -> str:
        """Path of the private key of a certificate in a file of its own."""
        return self.path[: -len(".crt")] + ".key"

    @property
    def files(self) -> list[str]:
        return [self.path] if self.kubeconfig else [self.path, self.key]


def items(pki: str = PKI) -> dict[str, Item]:
    """Every name that kubeadm 1.29 to 1.36 knows (cmd/kubeadm/app/phases/certs/renewal/manager.go).

    pki: kubeadm's certificatesDir. The kubelet's certificates are not among them: they rotate themselves.
    """
    kubeconfigs = ("admin", "super-admin", "controller-manager", "scheduler")
    files = {
        "apiserver": ("apiserver", "ca"),
        "apiserver-kubelet-client": ("apiserver-kubelet-client", "ca"),
        "front-proxy-client": ("front-proxy-client", "front-proxy-ca"),
        "apiserver-etcd-client": ("apiserver-etcd-client", "etcd/ca"),
        "etcd-server": ("etcd/server", "etcd/ca"),
        "etcd-peer": ("etcd/peer", "etcd/ca"),
        "etcd-healthcheck-client": ("etcd/healthcheck-client", "etcd/ca"),
    }
    found = [Item(name, f"{pki}/{path}.crt", f"{pki}/{ca}") for name, (path, ca) in files.items()]
    found += [Item(f"{name}.conf", f"{KUBERNETES}/{name}.conf", f"{pki}/ca") for name in kubeconfigs]
    return {item.name: item for item in found}


def present(known: dict[str, Item]) -> dict[str, Certificate]:
    """Name to certificate of what is on this node. Raises CertificateProblem for a file that cannot be read."""
    return {name: read(item) for name, item in known.items() if os.path.exists(real(item.path))}


def readable(known: dict[str, Item]) -> dict[str, Certificate]:
    """present() without what cannot be read."""
    found = {}
    for name, item in known.items():
        with contextlib.suppress(CertificateProblem):
            found[name] = read(item)
    return found


def read(item: Item) -> Certificate:
    """The certificate of an item. Raises CertificateProblem."""
    try:
        if item.kubeconfig:
            return certificates.from_pem(embedded(text(item.path), "client-certificate").decode())
        return certificates.from_pem(text(item.path))
    except (OSError, ValueError) as error:
        mend = f" (`kprov certs kubeconfig rebuild {item.name}`)" if item.kubeconfig else ""
        raise CertificateProblem(f"{item.path}: {error}{mend}") from error


def authority(item: Item) -> Certificate:
    """The CA that signs an item. Raises CertificateProblem."""
    path = item.ca + ".crt"
    try:
        return certificates.from_pem(text(path))
    except (OSError, ValueError) as error:
        raise CertificateProblem(f"{path}: {error}") from error


def externally_managed(item: Item) -> bool:
    """Whether the CA's key is not here, so that kubeadm cannot sign anything new."""
    return not os.path.exists(real(item.ca + ".key"))


def broken_pair(item: Item) -> bool:
    """Whether certificate and key do not belong together: a renewal was cut between the two files."""
    try:
        if item.kubeconfig:
            load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), item.path)
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(real(item.path), real(item.key))
    except ssl.SSLError:
        return True
    return False


def load_identity(context: ssl.SSLContext, kubeconfig: str) -> None:
    """Make the client certificate of a kubeconfig the context's. Raises OSError (ssl.SSLError is one), ValueError."""
    content = text(kubeconfig)
    load_pair(context, embedded(content, "client-certificate"), embedded(content, "client-key"))


def belongs(certificate: bytes, key: bytes) -> bool:
    """Whether a private key is a certificate's; both PEM. False also for what is neither."""
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except ssl.SSLError:
        return False
    return True


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Make a certificate and its key, in PEM, the context's. Python wants a file: one in memory, no disk sees it."""
    descriptor = os.memfd_create("kprov")
    try:
        os.write(descriptor, b"\n".join((certificate, key)))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def embedded(kubeconfig: str, name: str) -> bytes:
    """PEM of an entry of a kubeconfig: NAME-data in base64, as kubeadm writes it, or NAME with a path."""
    data = re.search(rf"^[\s-]*{name}-data:\s*[\"']?([A-Za-z0-9+/=]+)", kubeconfig, re.MULTILINE)
    if data:
        return base64.b64decode(data.group(1))
    path = re.search(rf"^[\s-]*{name}:\s*[\"']?([^\s\"']+)", kubeconfig, re.MULTILINE)
    if path:
        return text(path.group(1)).encode()
    raise ValueError(f"a kubeconfig without {name}")


def text(path: str) -> str:
    """Content of a file on the node. Raises OSError, ValueError."""
    with open(real(path), encoding="utf-8") as file:
        return file.read()


UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds(span: str) -> int:
    """A span of time such as 30d, 12h or 1d12h in seconds. Raises ValueError."""
    if not re.fullmatch(rf"(\d+[{''.join(UNITS)}])+", span):
        raise ValueError(f"{span!r} is not a span of time, such as 30d, 12h or 1d12h")
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(\w)", span))


def due(
    known: dict[str, Item],
    found: dict[str, Certificate],
    only: list[str],
    within: float | None,
    now: float,
    *,
    external: bool = False,
) -> list[str]:
    """Names of what is to be renewed. only: names, all if empty; within: seconds that may be left, None: renew anyway.

    What is not on this node is never due. external: what is signed by CAs whose keys are not on this node, instead of
    what is signed by those whose keys are.
    """
    return [
        name
        for name, certificate in found.items()
        if (not only or name in only)
        and externally_managed(known[name]) is external
        and (within is None or certificate.not_after - now < within or broken_pair(known[name]))
    ]
