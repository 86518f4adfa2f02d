"""Certificates read without any library, compared with what cryptography reads."""

from __future__ import annotations

import datetime

import pytest
from ansible.module_utils import kprov_certificate as certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.certificates import issue

CA = issue("kubernetes-ca")
moments = st.datetimes(datetime.datetime(1951, 1, 1), datetime.datetime(2090, 1, 1)).map(
    lambda at: at.replace(microsecond=0, tzinfo=datetime.UTC)
)


@settings(max_examples=60, deadline=None)
@given(st.text("abcé-.", min_size=1, max_size=32), moments, st.integers(1, 2**159 - 1), st.floats(0.01, 3650))
def test_everything_is_read_as_cryptography_reads_it(
    name: str, start: datetime.datetime, serial: int, days: float
) -> None:
    issued = issue(name, signer=CA, now=start, serial=serial, days=days, names=("node1", "10.0.0.1", "::1")).certificate
    found = certificates.from_der(issued.public_bytes(certificates_der()))
    assert found.serial == serial
    assert found.sha256 == issued.fingerprint(hashes.SHA256()).hex()
    assert found.not_before == issued.not_valid_before_utc.timestamp()
    assert found.not_after == issued.not_valid_after_utc.timestamp()
    assert found.subject == issued.subject.public_bytes()
    assert found.issuer == CA.certificate.subject.public_bytes()
    expected = {each.oid.dotted_string: each.value.public_bytes() for each in issued.extensions}
    assert found.extensions == expected


def certificates_der():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        certificates.from_der(data)


def test_a_cut_certificate_is_refused() -> None:
    data = CA.certificate.public_bytes(certificates_der())
    for length in range(len(data)):
        with pytest.raises(ValueError):
            certificates.from_der(data[:length])


def test_the_first_certificate_of_a_bundle_counts() -> None:
    leaf = issue("leaf", signer=CA)
    found = certificates.from_pem("text before\n" + (leaf.pem + CA.pem).decode())
    assert found.serial == leaf.certificate.serial_number


def test_a_renewal_keeps_names_and_usages() -> None:
    def read(**parameters):
        return certificates.from_pem(issue(signer=CA, **parameters).pem.decode())

    old = read(name="kube-apiserver", names=("node1", "10.0.0.1"))
    assert certificates.lost(old, read(name="kube-apiserver", names=("node1", "10.0.0.1"), days=9)) == []
    assert certificates.lost(old, read(name="kube-apiserver", names=("node1",))) == ["names"]
    assert certificates.lost(old, read(name="another", names=("node1", "10.0.0.1"))) == ["subject"]
    other_ca = certificates.from_pem(issue("kube-apiserver", names=("node1", "10.0.0.1")).pem.decode())
    assert certificates.lost(old, other_ca) == ["issuer", "extended key usage"]


def test_oids_with_large_numbers() -> None:
    names = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2").dotted_string
    assert certificates.oid(bytes.fromhex("2b06010401d679020402")) == names
