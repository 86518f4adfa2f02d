"""Certificates as kubeadm makes them, in memory: authorities, leaves, kubeconfigs."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any, Literal

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Algorithm = Literal["rsa", "ecdsa"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    x509: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> str:
        return self.x509.public_bytes(PEM).decode()

    @property
    def der(self) -> bytes:
        return self.x509.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> str:
        kind = serialization.PrivateFormat.TraditionalOpenSSL
        return self.key.private_bytes(PEM, kind, serialization.NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(PEM, kind).decode()


def authority(name: str, *, days: float = 3650, start: timedelta = -DAY, algorithm: Algorithm = "ecdsa") -> Pair:
    """A certificate authority that signs itself."""
    return issue(None, name, days=days, start=start, algorithm=algorithm)


def issue(
    issuer: Pair | None,
    name: str,
    *,
    org: str = "",
    sans: tuple[str, ...] = (),
    days: float = 365,
    start: timedelta = -DAY,
    algorithm: Algorithm = "ecdsa",
) -> Pair:
    """A certificate whose subject is CN=name. days: from now until it ends; start: when it begins, from now."""
    key = new_key(algorithm)
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org)] if org else []
    whole = x509.Name([*subject, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(whole)
        .issuer_name(issuer.x509.subject if issuer else whole)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + start)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([general_name(san) for san in sans]), critical=False
        )
    if issuer:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def new_key(algorithm: Algorithm = "ecdsa") -> PrivateKey:
    """RSA-2048, kubeadm's default, or P-256."""
    if algorithm == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def kubeconfig(
    login: Pair | dict[str, Any],
    trusts: Pair | None,
    server: str = "https://10.1.0.1:6443",
    user: str = "kubernetes-admin",
) -> dict[str, Any]:
    """kubeadm's, as a document. login: a certificate, or a user's entry as it is."""
    cluster = {"server": server, **({"certificate-authority-data": encoded(trusts.pem)} if trusts else {})}
    entry = (
        {"client-certificate-data": encoded(login.pem), "client-key-data": encoded(login.key_pem)}
        if isinstance(login, Pair)
        else login
    )
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": cluster, "name": "kubernetes"}],
        "contexts": [{"context": {"cluster": "kubernetes", "user": user}, "name": f"{user}@kubernetes"}],
        "current-context": f"{user}@kubernetes",
        "kind": "Config",
        "users": [{"name": user, "user": entry}],
    }


def merged(*documents: dict[str, Any]) -> dict[str, Any]:
    """What `kubectl config` makes of several clusters in one file."""
    parts = ("clusters", "contexts", "users")
    whole = {**documents[0], **{part: [] for part in parts}}
    for number, document in enumerate(documents):
        for part in parts:
            whole[part] += [{**entry, "name": f"{entry['name']}-{number}"} for entry in document[part]]
    return whole


def text(document: dict[str, Any]) -> str:
    """YAML as Go's sigs.k8s.io/yaml writes it: sorted, lists not indented."""
    return yaml.safe_dump(document, width=10**6)


def encoded(text: str) -> str:
    """Base64 without line ends."""
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Kubeadm:
    """What `kubeadm init` makes on a control plane at 10.1.0.1. leaves: path below the directory to certificate."""

    ca: Pair
    etcd_ca: Pair
    front_proxy_ca: Pair
    leaves: dict[str, Pair]
    users: dict[str, Pair]
    kubelet: Pair
    kubelet_server: Pair
    service_account: Pair


@cache
def kubeadm(algorithm: Algorithm = "ecdsa") -> Kubeadm:
    """The same one in every test: tests replace what they are about."""
    ca, etcd_ca, front_proxy_ca = (
        authority(name, algorithm=algorithm) for name in ("kubernetes", "etcd-ca", "front-proxy-ca")
    )
    here = ("cp1", "localhost", "10.1.0.1", "127.0.0.1", "::1")
    names = ("cp1", "kubernetes", "kubernetes.default.svc", "10.96.0.1", "10.1.0.1")

    def leaf(issuer: Pair, name: str, org: str = "", sans: tuple[str, ...] = ()) -> Pair:
        return issue(issuer, name, org=org, sans=sans, algorithm=algorithm)

    leaves = {
        "apiserver.crt": leaf(ca, "kube-apiserver", sans=names),
        "apiserver-kubelet-client.crt": leaf(ca, "kube-apiserver-kubelet-client"),
        "apiserver-etcd-client.crt": leaf(etcd_ca, "kube-apiserver-etcd-client"),
        "front-proxy-client.crt": leaf(front_proxy_ca, "front-proxy-client"),
        "etcd/server.crt": leaf(etcd_ca, "cp1", sans=here),
        "etcd/peer.crt": leaf(etcd_ca, "cp1", sans=here),
        "etcd/healthcheck-client.crt": leaf(etcd_ca, "kube-etcd-healthcheck-client"),
    }
    users = {
        "admin.conf": leaf(ca, "kubernetes-admin", "kubeadm:cluster-admins"),
        "super-admin.conf": leaf(ca, "kubernetes-super-admin", "system:masters"),
        "controller-manager.conf": leaf(ca, "system:kube-controller-manager"),
        "scheduler.conf": leaf(ca, "system:kube-scheduler"),
    }
    own = authority("cp1-ca@1", algorithm=algorithm)
    return Kubeadm(
        ca=ca,
        etcd_ca=etcd_ca,
        front_proxy_ca=front_proxy_ca,
        leaves=leaves,
        users=users,
        kubelet=leaf(ca, "system:node:cp1", "system:nodes"),
        kubelet_server=issue(own, "cp1@1", sans=("cp1",), algorithm=algorithm),
        service_account=authority("sa", algorithm=algorithm),
    )


def general_name(san: str) -> x509.GeneralName:
    """An address, or else a DNS name."""
    try:
        return x509.IPAddress(ip_address(san))
    except ValueError:
        return x509.DNSName(san)
