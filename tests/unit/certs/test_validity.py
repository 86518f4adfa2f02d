"""The reader that nodes have for want of a library says what the library says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kprov.certs.node.validity import ders, validity

KEY = ec.generate_private_key(ec.SECP256R1())
TIMES = st.datetimes(datetime(1950, 1, 1), datetime(2300, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


def certificate(begins: datetime, ends: datetime, name: str = "x", serial: int = 1) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    return builder.serial_number(serial).not_valid_before(begins).not_valid_after(ends).sign(KEY, hashes.SHA256())


@given(
    begins=TIMES,
    life=st.timedeltas(timedelta(seconds=1), timedelta(days=40_000)),
    name=st.text(min_size=1, max_size=16),
    serial=st.integers(1, 2**158),
)
def test_it_agrees_with_cryptography(begins: datetime, life: timedelta, name: str, serial: int) -> None:
    ends = begins + timedelta(seconds=int(life.total_seconds()))
    der = certificate(begins, ends, name, serial).public_bytes(serialization.Encoding.DER)
    assert validity(der) == (begins.timestamp(), ends.timestamp())


@given(st.binary(max_size=300))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        validity(data)


@given(st.integers(0, 400))
def test_a_cut_certificate_is_refused(length: int) -> None:
    der = certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)).public_bytes(
        serialization.Encoding.DER
    )
    with pytest.raises(ValueError):
        validity(der[: min(length, len(der) - 1)])


def test_a_file_has_several() -> None:
    one = certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    pem = one.public_bytes(serialization.Encoding.PEM).decode()
    der = one.public_bytes(serialization.Encoding.DER)
    assert ders(f"text before\n{pem}between\r\n{pem}") == [der, der]
    with pytest.raises(ValueError):
        ders("-----BEGIN CERTIFICATE-----\nMII@\n-----END CERTIFICATE-----")
