"""Whose names a kubelet may ask for: its own, and nobody else's."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.certs.node.kubelet_request import Wanted, parse, refusal
from tests.unit.certs.requests import USAGES, pkcs10, request

KUBELETS: dict[str, Any] = {
    "w1": {"address": "10.1.0.101", "names": ["2001:db8:0::1", "w1.example.org"]},
    "w2": {"address": "10.1.0.102", "names": []},
}


def why(**how: Any) -> str | None:
    return refusal(request(**how), KUBELETS)


@pytest.mark.parametrize(
    "sans",
    [
        ("w1", "10.1.0.101"),
        ("10.1.0.101",),
        ("w1", "W1.example.org", "2001:db8::1", "10.1.0.101"),
    ],
)
def test_own_names_are_approved(sans: tuple[str, ...]) -> None:
    assert why(pem=pkcs10(sans=sans)) is None


def test_rsa_keys_are_for_key_encipherment_too() -> None:
    assert why(usages=[*USAGES, "key encipherment"]) is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"pem": pkcs10(sans=("w2", "10.1.0.101"))}, "w2, which the inventory does not have for w1"),
        ({"pem": pkcs10(sans=("w1", "10.1.0.102"))}, "10.1.0.102, which the inventory does not have for w1"),
        ({"pem": pkcs10(sans=("w1", "10.1.0.101", "*.w1"))}, "*.w1, which"),
        ({"pem": pkcs10(sans=("w1", "10.1.0.101", "kubernetes"))}, "kubernetes, which"),
        ({"pem": pkcs10(sans=("w1",))}, "does not ask for 10.1.0.101"),
        ({"pem": pkcs10(sans=())}, "does not ask for 10.1.0.101"),
        ({"pem": pkcs10(sans=("w1", "10.1.0.101", x509.RFC822Name("a@b")))}, "a name of the kind 1"),
        ({"pem": pkcs10(sans=("w1", "10.1.0.101", x509.UniformResourceIdentifier("spiffe://w1")))}, "of the kind 6"),
        ({"pem": pkcs10(name="system:node:w2")}, "CN=system:node:w2, O=system:nodes, not for its requestor"),
        ({"pem": pkcs10(org="system:masters")}, "O=system:masters"),
        ({"pem": pkcs10(org=None)}, "not for its requestor"),
        ({"requestor": "system:node:w2"}, "not for its requestor system:node:w2"),
        ({"requestor": "system:node:w3"}, "system:node:w3, which is no node of the inventory"),
        ({"requestor": "system:serviceaccount:default:default"}, "which is no node of the inventory"),
        ({"requestor": "w1"}, "which is no node"),
        ({"requestor": "xsystem:node:w1"}, "which is no node"),
        ({"groups": ["system:authenticated"]}, "its requestor is not in system:nodes"),
        ({"usages": [*USAGES, "client auth"]}, "it is for client auth, digital signature, server auth"),
        ({"usages": ["server auth"]}, "it is for server auth"),
        ({"request": ""}, "it cannot be read"),
        ({"pem": pkcs10()[:200]}, "it cannot be read"),
    ],
)
def test_everything_else_stays_pending_with_the_reason(how: dict[str, Any], said: str) -> None:
    reason = why(**how)
    assert reason
    assert said in reason


def test_parse() -> None:
    assert parse(pkcs10(sans=("w1", "2001:db8::1")).encode()) == Wanted(
        ("system:node:w1",), ("system:nodes",), ("w1",), ("2001:db8::1",), ()
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 450), st.binary(min_size=1, max_size=3))
def test_a_damaged_request_is_refused_and_never_raises(at: int, noise: bytes) -> None:
    der = x509.load_pem_x509_csr(pkcs10().encode()).public_bytes(Encoding.DER)
    damaged = der[:at] + noise + der[at + len(noise) :]
    body = base64.encodebytes(damaged).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    reason = why(pem=pem)
    if reason is None:  # only what is outside of subject and names may be damaged: the signer checks the signature
        wanted = parse(pem.encode())
        assert wanted.common_names == ("system:node:w1",)
        assert {*wanted.dns, *wanted.addresses} <= {"w1", "10.1.0.101", "w1.example.org", "2001:db8::1"}
