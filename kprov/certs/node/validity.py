"""From when to when a certificate is valid. Python's standard library reads no certificate that nobody presents."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone

SEQUENCE, INTEGER, VERSION, UTC_TIME, GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18


def ders(pem: str) -> list[bytes]:
    """The certificates in a text. Raises ValueError where one is damaged."""
    bodies = re.findall("-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return [base64.b64decode("".join(body.split()), validate=True) for body in bodies]


def validity(der: bytes) -> tuple[float, float]:
    """Not before and not after, in seconds since the epoch (RFC 5280, section 4.1). Raises ValueError.

    Certificate and TBSCertificate are SEQUENCEs; in the latter come the version, if it is said, the serial number, the
    signature's algorithm, the issuer, and then the validity: a SEQUENCE of two times.
    """
    parts = fields(fields(fields(der)[0][1])[0][1])
    if parts and parts[0][0] == VERSION:
        parts = parts[1:]
    if len(parts) < 4 or parts[0][0] != INTEGER or parts[3][0] != SEQUENCE:
        raise ValueError("this is no certificate")
    times = [_time(*field) for field in fields(parts[3][1])]
    if len(times) != 2:
        raise ValueError("this is no certificate")
    return times[0], times[1]


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element (X.690, DER: definite lengths, tags of one byte). Raises ValueError."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], _byte(data, at + 1), at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("this is no certificate")
        found.append((tag, data[at : at + length]))
        at += length
    if not found:
        raise ValueError("this is no certificate")
    return found


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("this is no certificate")
    return data[at]


def _time(tag: int, text: bytes) -> float:
    """A UTCTime's year has two digits: from 50 on they are of the last century (RFC 5280, section 4.1.2.5.1)."""
    digits = text.decode("ascii")
    if tag == UTC_TIME:
        digits = ("19" if int(digits[:2]) >= 50 else "20") + digits
    elif tag != GENERALIZED_TIME:
        raise ValueError("this is no certificate")
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()  # noqa: UP017
