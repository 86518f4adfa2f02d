"""What one certificate says: names, signatures, damaged ones."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kprov.certs.certificate import Certificate, from_der, from_pem
from tests.unit.certs import pki

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
CA = pki.authority("ca")


def certificate(*sans: str) -> Certificate:
    return Certificate(pki.issue(CA, "cn.example.org", sans=sans).x509)


@settings(deadline=None)
@given(st.lists(NAME, min_size=1, max_size=3), NAME)
def test_dns_names_are_matched_whole_and_in_any_case(sans: list[str], name: str) -> None:
    one = certificate(*sans)
    assert all(one.names(san.upper()) for san in sans)
    assert one.names(name) == (name in sans)


@settings(deadline=None)
@given(NAME, LABEL, LABEL)
def test_wildcard_stands_for_exactly_one_label(domain: str, first: str, second: str) -> None:
    one = certificate(f"*.{domain}")
    assert one.names(f"{first}.{domain}")
    assert not one.names(domain)
    assert not one.names(f"{second}.{first}.{domain}")


@settings(deadline=None)
@given(st.ip_addresses(), st.ip_addresses())
def test_addresses_are_matched_in_every_spelling(
    address: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    one = certificate(str(address))
    assert one.names(address.exploded)
    assert one.names(address.compressed)
    assert one.names(str(other)) == (ip_address(str(other)) == address)


def test_common_name_is_no_name() -> None:
    one = certificate("other.example.org")
    assert one.common_name == "cn.example.org"
    assert not one.names("cn.example.org")
    assert certificate().sans == ()


def test_signature_counts_and_not_the_issuer_s_name() -> None:
    leaf = Certificate(pki.issue(CA, "leaf").x509)
    assert leaf.signed_by(Certificate(CA.x509))
    assert not leaf.signed_by(Certificate(pki.authority("ca").x509))
    assert not leaf.signed_by(Certificate(pki.authority("ca", algorithm="rsa").x509))
    assert not leaf.signed_by(leaf)
    assert (Certificate(CA.x509).is_ca, leaf.is_ca) == (True, False)


def test_text_around_certificates_does_not_matter() -> None:
    leaf = pki.issue(CA, "leaf")
    found = from_pem(f"Certificate:\n  Data: x\n{leaf.pem}\n# the CA\n{CA.pem}")
    assert [one.x509 for one in found] == [leaf.x509, CA.x509]
    assert from_der(ssl.PEM_cert_to_DER_cert(leaf.pem)) == found[0]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_damaged_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        from_der(data)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # cryptography's own taste
@settings(deadline=None, max_examples=300)
@example(position=11, value=1)  # a version that there is not
@given(position=st.integers(0, len(CA.der) - 1), value=st.integers(0, 255))
def test_one_wrong_byte_is_another_certificate_or_a_value_error(position: int, value: int) -> None:
    data = bytearray(CA.der)
    data[position] = value
    try:
        one = from_der(bytes(data))
    except ValueError:
        return
    parts = (one.subject, one.issuer, one.sans, one.is_ca, one.not_before, one.not_after, one.common_name, one.serial)
    assert all(part is not None for part in parts)
    assert bytes(data) == CA.der or one.fingerprint != from_der(CA.der).fingerprint
