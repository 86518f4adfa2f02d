"""Certificates for tests of plugins, as kubeadm lays them out on a node."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        return self.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def write(self, directory: Path, name: str) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.crt").write_bytes(self.pem)
        path.with_name(f"{path.name}.key").write_bytes(self.key)

    def kubeconfig(self) -> str:
        data = {"client-certificate-data": self.pem, "client-key-data": self.key}
        lines = "".join(f"    {name}: {base64.b64encode(value).decode()}\n" for name, value in data.items())
        return f"apiVersion: v1\nkind: Config\nusers:\n- name: someone\n  user:\n{lines}"


def issue(
    name: str,
    *,
    signer: Pair | None = None,
    days: float = 365,
    names: tuple[str, ...] = (),
    now: datetime.datetime = NOW,
    serial: int | None = None,
) -> Pair:
    """A leaf of a signer, or a CA of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    # Go, and so kubeadm, writes these identifiers.
    identifier = x509.SubjectKeyIdentifier.from_public_key((signer.private_key if signer else key).public_key())
    if signer:
        whose = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(whose, critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usage, critical=False)
    else:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(identifier, critical=False)
    if names:
        alternatives: list[x509.GeneralName] = []
        for each in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(each)))
            except ValueError:
                alternatives.append(x509.DNSName(each))
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Pair(builder.sign((signer.private_key if signer else key), hashes.SHA256()), key)
