"""Certificates of an etcd that is a service, signed anew by the CA whose key lies beside them. Keys stay.

kubeadm does not know these. Kubespray's makes them once, by a script around openssl, with subjects of their own; so a
renewal asks openssl for the same certificate with another serial number and another end. The key stays, so there is one
file to replace, in one step, and etcd reads it again for each handshake: nothing is restarted.
"""

from __future__ import annotations

import math
import os
import secrets
import ssl
import stat
import tempfile
import time
from dataclasses import dataclass

from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_certs_served as served
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, lost
from ansible.module_utils.kprov_certs_gate import etcd_problems
from ansible.module_utils.kprov_containers import find_program
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_etcd_service import etcd_service
from ansible.module_utils.kprov_kubeadm_certs import Item, seconds, text
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod, pods

DAY = 86_400
OPENSSL_SECONDS = 30.0
RELOAD_SECONDS = 10.0  # etcd reads its files for each handshake


@dataclass(frozen=True)
class Leaf:
    """name: kubeadm's for what etcd or the API server is told to use, else the file's."""

    name: str
    path: str
    key: str
    certificate: Certificate


class EtcdRenewal:
    """This node's etcd, where it is a service. only: names, all if empty; within: a span such as 30d, all if empty."""

    def __init__(self, only: list[str], within: str, recover: bool, keep: int, check_mode: bool) -> None:
        self._only, self._within, self._recover, self._keep = only, within, recover, keep
        self._check_mode = check_mode
        self.changes: list[str] = []

    def run(self) -> dict:
        """The module's result. Raises StepError, ValueError, OSError."""
        service = etcd_service()
        if service is None:
            return {"changed": False, "changes": [], "proofs": {}}
        ca = service.flag("trusted-ca-file") or ""
        found = leaves(service, pods().get("kube-apiserver"), ca)
        todo = self._due(found, time.time())
        if self._check_mode:
            return {"changed": bool(todo), "changes": [f"renewed {leaf.name}" for leaf in todo], "proofs": {}}
        if todo:
            problems = [] if self._recover else etcd_problems(Etcd(service).state())
            if problems:
                raise StepError("; ".join(problems))
            backups.make_of(os.path.dirname(ca), time.time())
            for leaf in todo:
                sign(leaf, ca, key_of(ca))
                self.changes.append(f"renewed {leaf.name} ({leaf.path})")
            backups.forget_old(self._keep, backups.ETCD)
        return {"changed": bool(todo), "changes": self.changes, "proofs": prove(service)}

    def _due(self, found: list[Leaf], now: float) -> list[Leaf]:
        within = seconds(self._within) if self._within else None
        return [
            leaf
            for leaf in found
            if (not self._only or leaf.name in self._only)
            and (within is None or leaf.certificate.not_after - now < within)
        ]


def leaves(service: StaticPod, api: StaticPod | None, ca: str) -> list[Leaf]:
    """The certificates in the CA's directory that it has signed, each with its key; none where the CA has no key."""
    directory = os.path.dirname(ca)
    if not ca or not os.path.exists(real(key_of(ca))):
        return []
    authority = certificates.from_pem(text(ca))
    names = {service.flag("peer-cert-file"): "etcd-peer", service.flag("cert-file"): "etcd-server"}
    names.update({api.flag("etcd-certfile"): "apiserver-etcd-client"} if api else {})
    found = []
    for file in sorted(os.listdir(real(directory))):
        path = f"{directory}/{file}"
        if path == ca or not file.endswith((".pem", ".crt")) or not os.path.exists(real(key_of(path))):
            continue
        certificate = certificates.from_pem(text(path))
        if certificate.issuer == authority.subject:
            found.append(Leaf(names.get(path, file), path, key_of(path), certificate))
    return found


def key_of(path: str) -> str:
    """Where the private key of a certificate is: a-key.pem beside a.pem (Kubespray's), a.key beside a.crt."""
    stem, suffix = os.path.splitext(path)
    return f"{stem}-key.pem" if suffix == ".pem" else f"{stem}.key"


def sign(leaf: Leaf, ca: str, ca_key: str) -> None:
    """Replace a certificate by one with the same key, subject, names and usages. Raises StepError: it is as it was.

    It is valid for as long as the old one was, but not longer than its CA.
    """
    now, old = time.time(), leaf.certificate
    left = certificates.from_pem(text(ca)).not_after - now
    days = math.floor(min(old.not_after - old.not_before, left) / DAY)
    if days < 1:
        raise StepError(f"the CA {ca} ends within a day; docs/how-to/rotate-ca.md says what to do")
    if not _pair(real(leaf.path), leaf):
        raise StepError(f"{leaf.path} is as it was: {leaf.key} is not its key")
    openssl = Runner("certs_renew", os.path.dirname(find_program("openssl")), [])
    with tempfile.TemporaryDirectory(prefix=".kprov-", dir=os.path.dirname(real(leaf.path))) as private:
        request, made = f"{private}/request.pem", f"{private}/certificate.pem"
        copy = ["-copy_extensions", "copyall"]
        asked = ["-x509toreq", "-in", real(leaf.path), "-signkey", real(leaf.key), *copy, "-out", request]
        signed = ["-req", "-in", request, "-CA", real(ca), "-CAkey", real(ca_key), *copy, "-out", made]
        signed += ["-set_serial", f"0x{secrets.token_hex(16)}", "-days", str(days)]
        try:
            openssl.run(["openssl", "x509", *asked], OPENSSL_SECONDS)
            openssl.run(["openssl", "x509", *signed], OPENSSL_SECONDS)
            openssl.run(["openssl", "verify", "-CAfile", real(ca), made], OPENSSL_SECONDS)
        except StepError as error:
            raise StepError(f"{leaf.path} is as it was: openssl: {error}") from error
        with open(made, encoding="utf-8") as file:
            content = file.read()
        wrong = _wrong(leaf, certificates.from_pem(content), made)
        if wrong:
            raise StepError(f"{leaf.path} is as it was: openssl made one with {wrong}")
    status = os.stat(real(leaf.path))
    kprov_fs.atomic_write(real(leaf.path), content.encode(), stat.S_IMODE(status.st_mode))
    if os.geteuid() == 0:
        os.chown(real(leaf.path), status.st_uid, status.st_gid)


def _wrong(leaf: Leaf, new: Certificate, made: str) -> str:
    """In what it is no renewal; empty: it is one."""
    found = [f"other {name}" for name in lost(leaf.certificate, new)]
    found += ["the same serial number"] if new.serial == leaf.certificate.serial else []
    found += [] if _pair(made, leaf) else ["another key"]
    return ", ".join(found)


def _pair(certificate: str, leaf: Leaf) -> bool:
    """Whether the key of a leaf belongs to a certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, real(leaf.key))
    except ssl.SSLError:
        return False
    return True


def prove(service: StaticPod) -> dict[str, str]:
    """Name to the addresses where it is served. Raises StepError where another one is."""
    flags = {"etcd-server": "cert-file", "etcd-peer": "peer-cert-file"}
    known = {name: Item(name, service.flag(flag) or "", "") for name, flag in flags.items()}
    found = served.endpoints({"etcd": service})
    failed = served.prove(found, known, RELOAD_SECONDS)
    if failed:
        said = "; ".join(failed.values())
        raise StepError(f"{said}. Restart etcd there, one member at a time: systemctl restart etcd")
    where: dict[str, str] = {}
    for each in found:
        before = f"{where[each.item]}, " if each.item in where else "served at "
        where[each.item] = f"{before}{each.host}:{each.port}"
    return where
