"""An X.509 certificate as a node's Python can read it: the standard library only, without openssl.

Only what comparing two certificates takes is read (RFC 5280, section 4.1); signatures are not checked here.
"""

from __future__ import annotations

import calendar
import datetime
import hashlib
import ipaddress
import re
import ssl
from dataclasses import dataclass
from typing import Iterator

SEQUENCE, INTEGER, OID, BOOLEAN, OCTETS = 0x30, 0x02, 0x06, 0x01, 0x04
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
VERSION, EXTENSIONS = 0xA0, 0xA3  # context-specific tags [0] and [3]
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

COMMON_NAME, ORGANIZATION = "2.5.4.3", "2.5.4.10"

DNS, ADDRESS = 0x82, 0x87  # dNSName and iPAddress of GeneralName

# What a renewal must keep: whom the certificate names and what it may be used for.
NAMES = "2.5.29.17"
IDENTITY = {NAMES: "names", "2.5.29.15": "key usage", "2.5.29.37": "extended key usage"}


@dataclass(frozen=True)
class Certificate:
    """not_before, not_after: seconds since the epoch. subject, issuer, public_key (SubjectPublicKeyInfo): DER.

    extensions: dotted OID to DER value.
    """

    sha256: str
    serial: int
    not_before: int
    not_after: int
    subject: bytes
    issuer: bytes
    public_key: bytes
    extensions: dict[str, bytes]

    def summary(self) -> dict:
        """For results: sha256 and serial as hex, times in RFC 3339."""
        return {
            "sha256": self.sha256,
            "serial": f"{self.serial:x}",
            "not_before": rfc3339(self.not_before),
            "not_after": rfc3339(self.not_after),
        }


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as 2026-01-31T12:00:00Z."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_pem(text: str) -> Certificate:
    """The first certificate in a text. Raises ValueError when there is none or it cannot be read."""
    found = PEM.search(text)
    if not found:
        raise ValueError("no certificate")
    return from_der(ssl.PEM_cert_to_DER_cert(found.group()))


def from_der(data: bytes) -> Certificate:
    """Raises ValueError when it is no certificate."""
    try:
        return _certificate(data)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError(f"not a certificate ({type(error).__name__})") from error


def names(certificate: Certificate) -> list[str]:
    """DNS names and addresses that it is valid for (RFC 5280, section 4.2.1.6). Raises ValueError."""
    value = certificate.extensions.get(NAMES)
    if value is None:
        return []
    _, _, content = next(elements(value))
    found = [(tag, name) for tag, _, name in elements(content)]
    return [name.decode("ascii") for tag, name in found if tag == DNS] + [
        str(ipaddress.ip_address(name)) for tag, name in found if tag == ADDRESS
    ]


def subject_values(certificate: Certificate, attribute: str) -> list[str]:
    """Values of an attribute of the subject, such as COMMON_NAME, in its order (RFC 5280, section 4.1.2.4)."""
    (_, _, parts), *_ = elements(certificate.subject)
    pairs = [[*elements(pair)] for _, _, part in elements(parts) for _, _, pair in elements(part)]
    return [value.decode(errors="replace") for (_, _, name), (_, _, value), *_ in pairs if oid(name) == attribute]


def lost(old: Certificate, new: Certificate) -> list[str]:
    """What the new certificate says differently of its owner: subject, issuer, names, usages. Empty: a true renewal."""
    found = [name for name in ("subject", "issuer") if getattr(old, name) != getattr(new, name)]
    return found + [name for each, name in IDENTITY.items() if old.extensions.get(each) != new.extensions.get(each)]


def _certificate(data: bytes) -> Certificate:
    (tag, _, content), *rest = elements(data)
    if tag != SEQUENCE or rest:
        raise ValueError("not a certificate")
    _, _, signed = next(elements(content))
    fields = list(elements(signed))
    if fields[0][0] == VERSION:
        del fields[0]
    serial, _algorithm, issuer, validity, subject, public_key = fields[:6]
    times = [_time(tag, content) for tag, _, content in elements(validity[2])]
    found = next((content for tag, _, content in fields[6:] if tag == EXTENSIONS), None)
    return Certificate(
        sha256=hashlib.sha256(data).hexdigest(),
        serial=int.from_bytes(serial[2], "big"),
        not_before=times[0],
        not_after=times[1],
        subject=subject[1],
        issuer=issuer[1],
        public_key=public_key[1],
        extensions={} if found is None else dict(_extensions(found)),
    )


def _extensions(content: bytes) -> Iterator[tuple[str, bytes]]:
    _, _, each = next(elements(content))
    for _, _, extension in elements(each):
        parts = [part for part in elements(extension) if part[0] != BOOLEAN]  # without `critical`
        yield oid(parts[0][2]), parts[1][2]


def elements(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(tag, whole element, its content) one after another (X.690, definite lengths as DER has them)."""
    at = 0
    while at < len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        end = start + length
        if end > len(data):
            raise ValueError("a truncated certificate")
        yield tag, data[at:end], data[start:end]
        at = end


def _time(tag: int, content: bytes) -> int:
    text = content.decode("ascii")
    if tag == UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError("a time of an unknown kind")
    return calendar.timegm(datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").timetuple())


def oid(content: bytes) -> str:
    """An object identifier with dots."""
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))
