"""What a certificate, or a request for one, says of its owner: in a form in which two of them can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

# Names of RFC 5280, section 4.2.1.12, as openssl's configuration has them.
EXTENDED = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}
USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


@dataclass(frozen=True)
class Identity:
    """subject: as (OID, value), whatever their order and encoding. usages: None where it says nothing, so any.

    public_key: SubjectPublicKeyInfo, DER.
    """

    subject: tuple[tuple[str, str], ...]
    names: frozenset[str]
    key_usage: frozenset[str] | None
    extended_key_usage: frozenset[str] | None
    public_key: bytes


def identity(signed: x509.Certificate | x509.CertificateSigningRequest) -> Identity:
    """Raises ValueError for what cannot be read."""
    try:
        values = {extension.oid: extension.value for extension in signed.extensions}
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    names = values.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    usage = values.get(ExtensionOID.KEY_USAGE)
    extended = values.get(ExtensionOID.EXTENDED_KEY_USAGE)
    return Identity(
        subject=tuple(sorted((part.oid.dotted_string, str(part.value)) for part in signed.subject)),
        names=frozenset(_name(one) for one in names) if isinstance(names, x509.SubjectAlternativeName) else frozenset(),
        key_usage=_usages(usage) if isinstance(usage, x509.KeyUsage) else None,
        extended_key_usage=frozenset(EXTENDED.get(oid, oid.dotted_string) for oid in extended)
        if isinstance(extended, x509.ExtendedKeyUsage)
        else None,
        public_key=signed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


def _usages(usage: x509.KeyUsage) -> frozenset[str]:
    return frozenset(name for attribute, name in USAGES.items() if getattr(usage, attribute))


def _name(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DNSName):
        return name.value.lower()
    return str(name.value)
