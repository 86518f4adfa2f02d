"""Whether a signed certificate is the one that was asked for: each thing that can be wrong is found, and only that."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.item import Item, Renewer
from kprov.certs.rules.authority import signatures
from kprov.certs.signed import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import of
from tests.unit.certs.pki import DAY, NOW, PEM, Algorithm, Pair, PrivateKey

CA = pki.authority("kubernetes")
SANS = ("cp1", "kubernetes.default.svc", "10.96.0.1", "fd00::1")
EXTENDED = (ExtendedKeyUsageOID.SERVER_AUTH,)
USAGES = ("digital_signature", "key_encipherment")
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Profile:
    """What a CA puts into a certificate."""

    name: str = "CN=kube-apiserver,O=system:masters"
    sans: tuple[str, ...] = SANS
    usages: tuple[str, ...] | None = USAGES
    extended: tuple[x509.ObjectIdentifier, ...] | None = EXTENDED
    start: timedelta = -DAY
    days: float = 365
    ca: bool = False
    digest: hashes.HashAlgorithm | None = None
    strange: bool = False
    issuer: Pair = CA
    key: PrivateKey | None = None


def extensions(profile: Profile, builder: Any) -> Any:
    if profile.sans:
        names = x509.SubjectAlternativeName([pki.general_name(san) for san in profile.sans])
        builder = builder.add_extension(names, critical=False)
    if profile.usages is not None:
        usage = x509.KeyUsage(**{name: name in profile.usages for name in KEY_USAGES})
        builder = builder.add_extension(usage, critical=True)
    if profile.extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.extended), critical=False)
    return builder


def request(profile: Profile, key: PrivateKey) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(profile.name))
    made = extensions(profile, builder).sign(key, hashes.SHA256())
    return str(made.public_bytes(PEM).decode())


def sign(profile: Profile, key: PrivateKey) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(profile.name))
        .issuer_name(profile.issuer.x509.subject)
        .public_key((profile.key or key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + profile.start)
        .not_valid_after(NOW + profile.days * DAY)
    )
    if profile.ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if profile.strange:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    made = extensions(profile, builder).sign(profile.issuer.key, profile.digest or hashes.SHA256())
    return Certificate(made)


def in_place(profile: Profile, days: float = 10) -> Item:
    certificate = sign(replace(profile, days=days, issuer=CA), pki.new_key())
    return Item("cp1", "apiserver", "certificate", "/x.crt", certificate, Renewer.EXTERNAL, authority="ca")


def authority(pair: Pair = CA) -> Item:
    place = "/etc/kubernetes/pki/ca.crt"
    return Item("cp1", "ca", "ca", place, Certificate(pair.x509), Renewer.NOBODY)


def said(answer: Profile, asked: Profile = Profile(), *chain: Certificate, days: float = 10) -> list[tuple[str, str]]:
    key = pki.new_key()
    verdicts = judge(sign(answer, key), chain, request(asked, key), in_place(asked, days), [authority()], NOW)
    return [(one.severity, one.message) for one in verdicts]


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_what_was_asked_for_is_right(algorithm: Algorithm) -> None:
    ca = pki.authority("kubernetes", algorithm=algorithm)
    asked, key = Profile(issuer=ca), pki.new_key(algorithm)
    item = replace(in_place(asked), authority="ca")
    assert judge(sign(asked, key), (), request(asked, key), item, [authority(ca)], NOW) == []


def test_the_order_of_a_subject_and_the_case_of_names_are_no_difference() -> None:
    turned = Profile(name="O=system:masters,CN=kube-apiserver", sans=("KUBERNETES.default.svc", *SANS[2:], "cp1"))
    assert said(turned) == []


OTHER = pki.new_key()
STRANGER = pki.authority("kubernetes")  # the same name, another key
WRONG: dict[str, tuple[Profile, str]] = {
    "key": (Profile(key=OTHER), "its public key is not that of the request"),
    "subject": (
        Profile(name="CN=somebody"),
        "its subject is CN=somebody, asked for was O=system:masters,CN=kube",
    ),
    "group": (Profile(name="CN=kube-apiserver,O=other"), "its subject is O=other,CN=kube-apiserver"),
    "no-sans": (Profile(sans=()), "it lacks the names 10.96.0.1, cp1, fd00::1, kubernetes.default.svc"),
    "one-san": (Profile(sans=SANS[:-1]), "it lacks the names fd00::1"),
    "more-sans": (Profile(sans=(*SANS, "evil.example")), "nobody asked for: evil.example"),
    "usage": (Profile(usages=("key_encipherment",)), "it lacks the key usage digitalSignature"),
    "extended": (Profile(extended=(ExtendedKeyUsageOID.CLIENT_AUTH,)), "it lacks the extended key usage serverAuth"),
    "ca": (Profile(ca=True), "it is a CA's"),
    "stranger": (Profile(issuer=STRANGER), "it is not signed by /etc/kubernetes/pki/ca.crt"),
    "future": (Profile(start=DAY), "it is not valid before"),
    "expired": (Profile(start=-3 * DAY, days=-1), "it expired on"),
    "critical": (Profile(strange=True), "a critical extension that Kubernetes does not know: 1.3.6.1.4.1.99999.1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_thing_that_is_wrong_is_an_error_of_its_own(case: str) -> None:
    profile, message = WRONG[case]
    ((severity, text),) = said(profile)
    assert (severity, message in text) == ("error", True), text


def test_everything_is_said_at_once() -> None:
    found = said(Profile(key=OTHER, name="CN=x", sans=(), issuer=STRANGER, days=-0.5))
    assert [severity for severity, _ in found] == ["error"] * 5


REMARKS: dict[str, tuple[Profile, str]] = {
    "more-usages": (
        Profile(extended=(*EXTENDED, ExtendedKeyUsageOID.CLIENT_AUTH)),
        "has what nobody asked for: clientAuth",
    ),
    "any-usage": (Profile(extended=None), "says no extended key usage"),
    "shorter": (Profile(days=5), "before the one that it replaces"),
    "outlives": (Profile(days=5000), "its CA ends first"),
}


@pytest.mark.parametrize("case", REMARKS)
def test_what_works_but_is_odd_is_a_warning(case: str) -> None:
    profile, message = REMARKS[case]
    ((severity, text),) = said(profile)
    assert (severity, message in text) == ("warning", True), text


def test_certificates_between_it_and_the_ca_have_to_come_along() -> None:
    middle = pki.issue(CA, "issuing")
    as_ca = sign(Profile(name="CN=issuing", sans=(), usages=None, extended=None, ca=True, key=middle.key), OTHER)
    profile = Profile(issuer=Pair(as_ca.x509, middle.key))
    ((_, text),) = said(profile)
    assert "not signed by" in text
    assert said(profile, Profile(), as_ca) == []
    (((_, text)),) = said(profile, Profile(), Certificate(middle.x509))  # no CA, though of that name and key
    assert "not signed by" in text


def test_check_knows_certificates_between_a_leaf_and_its_ca(plane: Any) -> None:
    middle = pki.issue(CA, "issuing")
    ca, key = pki.kubeadm().ca, pki.new_key()
    as_ca = sign(
        Profile(name="CN=issuing", sans=(), usages=None, extended=None, ca=True, key=middle.key, issuer=ca), key
    )
    leaf = sign(Profile(issuer=Pair(as_ca.x509, middle.key)), key)
    pair = Pair(leaf.x509, key)
    limits: Any = None
    plane.pair("/etc/kubernetes/pki/apiserver.crt", pair)
    assert [f.name for f in signatures(of(cp1=plane.answer()), limits)] == ["apiserver"]
    plane.put("/etc/kubernetes/pki/apiserver.crt", pair.pem + as_ca.x509.public_bytes(PEM).decode())
    assert list(signatures(of(cp1=plane.answer()), limits)) == []


def test_a_certificate_in_place_that_changed_since_needs_a_new_request() -> None:
    key = pki.new_key()
    present = in_place(Profile(sans=(*SANS, "new.example")))
    ((verdict),) = judge(sign(Profile(), key), (), request(Profile(), key), present, [authority()], NOW)
    assert verdict.severity == "error"
    assert "export" in (verdict.hint or "")


def test_a_damaged_request_is_said() -> None:
    (verdict,) = judge(sign(Profile(), OTHER), (), "x", in_place(Profile()), [authority()], NOW)
    assert "cannot be compared" in verdict.message


def test_sha_1_is_refused(tmp_path: Path) -> None:
    """Made by openssl: cryptography neither makes nor verifies such signatures."""
    key = pki.new_key("rsa")
    for name, text in (("csr", request(Profile(), key)), ("ca.crt", CA.pem), ("ca.key", CA.key_pem)):
        (tmp_path / name).write_text(text)
    line = "openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -set_serial 1 -days 99 -sha1 -copy_extensions copyall"
    made = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    (leaf,) = from_pem(made)
    (verdict,) = judge(leaf, (), request(Profile(), key), in_place(Profile()), [authority()], datetime.now(UTC))
    assert verdict.message == "it is signed with sha1, which Kubernetes refuses"


@pytest.mark.parametrize("digest", [hashes.SHA256, hashes.SHA384, hashes.SHA512])
def test_digests_that_kubernetes_takes(digest: Callable[[], hashes.HashAlgorithm]) -> None:
    assert said(Profile(digest=digest())) == []
