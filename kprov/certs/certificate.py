"""One X.509 certificate, with the few things about it that matter here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

# What cryptography raises for extensions that are not there, or that it does not understand.
UNREADABLE = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)
DAMAGED = (x509.InvalidVersion, TypeError)  # what it raises besides ValueError


@dataclass(frozen=True)
class Certificate:
    """Equal to another one when every byte is."""

    x509: x509.Certificate

    @cached_property
    def subject(self) -> str:
        """As in RFC 4514: CN=kubernetes-admin,O=kubeadm:cluster-admins."""
        return self.x509.subject.rfc4514_string()

    @cached_property
    def issuer(self) -> str:
        """As in RFC 4514."""
        return self.x509.issuer.rfc4514_string()

    @property
    def common_name(self) -> str:
        """The subject's CN; empty if it has none."""
        found = self.x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else ""

    @property
    def organizations(self) -> tuple[str, ...]:
        """Every O of the subject: in a client certificate, the groups of its user."""
        found = self.x509.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return tuple(str(one.value) for one in found)

    @property
    def serial(self) -> str:
        """Hexadecimal, lower case."""
        return f"{self.x509.serial_number:x}"

    @property
    def not_before(self) -> datetime:
        """UTC."""
        return self.x509.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """UTC."""
        return self.x509.not_valid_after_utc

    @cached_property
    def sans(self) -> tuple[str, ...]:
        """DNS names and addresses, in the certificate's order; addresses in their shortest form."""
        try:
            names = self.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except UNREADABLE:
            return ()
        kinds = (x509.DNSName, x509.IPAddress)
        return tuple(str(name.value) for name in names if isinstance(name, kinds))

    @cached_property
    def is_ca(self) -> bool:
        """Whether it may sign others."""
        try:
            return bool(self.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        except UNREADABLE:
            return False

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, hexadecimal."""
        return self.x509.fingerprint(hashes.SHA256()).hex()

    def names(self, name: str) -> bool:
        """Whether it is valid for a DNS name or an address."""
        try:
            return str(ip_address(name)) in self.sans
        except ValueError:
            wildcard = "*." + name.partition(".")[2]
            return bool({name.lower(), wildcard.lower()} & {san.lower() for san in self.sans})

    def signed_by(self, authority: Certificate) -> bool:
        """Whether the key of an authority made this certificate's signature."""
        try:
            self.x509.verify_directly_issued_by(authority.x509)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return False
        return True


def between(
    leaf: Certificate, chain: Sequence[Certificate], authorities: Sequence[Certificate]
) -> tuple[Certificate, ...] | None:
    """The certificates of a chain that lead from a leaf to one of the authorities; None if none of them signed it."""
    found: list[Certificate] = []
    last = leaf
    while not any(last.signed_by(authority) for authority in authorities):
        issuer = next((one for one in chain if one not in found and one.is_ca and last.signed_by(one)), None)
        if issuer is None:
            return None
        found.append(issuer)
        last = issuer
    return tuple(found)


def from_pem(text: str) -> tuple[Certificate, ...]:
    """Every certificate in a text, in its order. Raises ValueError where one is damaged or there is none."""
    try:
        return tuple(_whole(one) for one in x509.load_pem_x509_certificates(text.encode()))
    except DAMAGED as error:
        raise ValueError(str(error)) from error


def from_der(data: bytes) -> Certificate:
    """Raises ValueError."""
    try:
        return _whole(x509.load_der_x509_certificate(data))
    except DAMAGED as error:
        raise ValueError(str(error)) from error


def _whole(parsed: x509.Certificate) -> Certificate:
    """cryptography reads names and times when they are asked for: damaged ones are found here. Raises ValueError."""
    found = Certificate(parsed)
    _ = (found.subject, found.issuer, found.common_name, found.not_before, found.not_after, found.serial)
    return found
