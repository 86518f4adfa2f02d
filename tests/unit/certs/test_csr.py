"""What an export still has to ask for and what an import still has to do, from what a control plane says of itself."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.exchange import Answer
from kprov.certs.finding import Limits
from kprov.certs.item import Inventory, Renewer
from kprov.certs.renewal import plan
from kprov.certs.rules import judge
from kprov.commands.certs_csr_export import waits
from kprov.commands.certs_csr_import import bundle, judged
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node, of
from tests.unit.certs.pki import DAY, NOW, PEM, Pair, PrivateKey

CSR = "/var/lib/kprov/csr"
MADE = pki.kubeadm()
ETCDS = {"apiserver-etcd-client", "etcd-server", "etcd-peer", "etcd-healthcheck-client"}


def asks(like: Pair, key: PrivateKey) -> str:
    """A request for what a certificate says."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(like.x509.subject)
    for extension in like.x509.extensions:
        if isinstance(extension.value, (x509.SubjectAlternativeName, x509.ExtendedKeyUsage, x509.KeyUsage)):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()


def signs(like: Pair, key: PrivateKey, ca: Pair, start: float = -1) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(like.x509.subject)
        .issuer_name(ca.x509.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + start * DAY)
        .not_valid_after(NOW + 400 * DAY)
    )
    for extension in like.x509.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Certificate(builder.sign(ca.key, hashes.SHA256()))


def external(plane: Node, *cas: str) -> None:
    for ca in cas or ("ca", "etcd/ca", "front-proxy-ca"):
        plane.remove(f"{PKI}/{ca}.key")


def answer(certificate: Certificate, item: str = "apiserver", *chain: Certificate) -> Answer:
    return Answer("cp1", item, f"out/cp1/{item}.crt", certificate, chain)


def said(answers: list[Answer], found: Inventory) -> list[tuple[str, str]]:
    _, problems = judged(answers, found)
    return [(problem.severity, problem.message) for problem in problems]


def test_only_what_a_ca_elsewhere_signs_is_asked_for(plane: Node) -> None:
    external(plane, "etcd/ca")
    found = plane.inventory()
    renewal = plan(found, ["cp1"], (), None)
    assert {item.name for item in renewal.external} == ETCDS
    assert not ETCDS & {item.name for work in renewal.work for item in work.due}
    assert {item.name for item in found.items if item.renewer is Renewer.EXTERNAL} == ETCDS


def test_the_check_says_where_to_go(plane: Node) -> None:
    external(plane)
    plane.pair(f"{PKI}/front-proxy-client.crt", pki.issue(MADE.front_proxy_ca, "front-proxy-client", days=20))
    (finding,) = (f for f in judge(plane.inventory(), Limits(30 * 86400, 86400)) if f.name == "front-proxy-client")
    assert finding.code == "expires"
    assert "kprov certs csr export" in (finding.hint or "")


@pytest.mark.parametrize("what", ["nothing", "damaged", "other-names", "key-in-use", "right"])
def test_a_request_that_waits_is_asked_for_again_only_if_it_must_be(plane: Node, what: str) -> None:
    external(plane)
    present = MADE.leaves["apiserver.crt"]
    requests = {
        "damaged": "x",
        "other-names": asks(MADE.leaves["etcd/server.crt"], pki.new_key()),
        "key-in-use": asks(present, present.key),
        "right": asks(present, pki.new_key()),
    }
    if what in requests:
        plane.put(f"{CSR}/apiserver.csr", requests[what], 0o600)
        plane.put(f"{CSR}/apiserver.key", "secret", 0o600)
        plane.put(f"{CSR}/.kprov-half.csr", "half", 0o600)
    found = plane.inventory()
    (machine,) = found.machines
    assert machine.csrs == ({"apiserver": requests[what]} if what in requests else {})
    item = found.named("cp1", "apiserver")
    assert item is not None
    assert waits(found, item) is (what == "right")


def test_keys_that_wait_never_leave_the_node(plane: Node) -> None:
    plane.put(f"{CSR}/apiserver.key", Pair(MADE.ca.x509, pki.new_key()).key_pem, 0o600)
    plane.put(f"{CSR}/apiserver.csr", asks(MADE.leaves["apiserver.crt"], pki.new_key()), 0o600)
    assert "PRIVATE KEY" not in str(plane.answer())


def test_right_answers_are_due_and_what_is_in_place_is_not(plane: Node) -> None:
    external(plane)
    present, key = MADE.leaves["apiserver.crt"], pki.new_key()
    plane.put(f"{CSR}/apiserver.csr", asks(present, key))
    new = signs(present, key, MADE.ca)
    old = answer(Certificate(MADE.leaves["etcd/peer.crt"].x509), "etcd-peer")
    due, problems = judged([answer(new), old], plane.inventory())
    assert ([item.name for item in due], problems) == (["apiserver"], [])
    plane.put(f"{PKI}/apiserver.crt", Pair(new.x509, key).pem)  # killed before its key was there, too
    assert [item.name for item in judged([answer(new)], plane.inventory())[0]] == ["apiserver"]
    plane.pair(f"{PKI}/apiserver.crt", Pair(new.x509, key))
    assert judged([answer(new)], plane.inventory()) == ([], [])


def test_answers_without_a_request_or_a_place_are_refused(plane: Node) -> None:
    external(plane)
    new = signs(MADE.leaves["apiserver.crt"], pki.new_key(), MADE.ca)
    found = said([answer(new), answer(new, "super-duper.conf")], plane.inventory())
    assert found == [
        ("error", "no request for it waits on cp1"),
        ("error", "cp1 has no super-duper.conf that it could replace"),
    ]


def test_dates_are_judged_by_the_host_s_clock(plane: Node) -> None:
    external(plane)
    present, key = MADE.leaves["apiserver.crt"], pki.new_key()
    plane.put(f"{CSR}/apiserver.csr", asks(present, key))
    new = [answer(signs(present, key, MADE.ca, start=0))]
    assert said(new, of(cp1=plane.answer())) == []
    ((severity, text),) = said(new, of(cp1=plane.answer(), skew=-3600))
    assert (severity, "not valid before" in text) == ("error", True)


def test_only_the_certificate_and_what_leads_to_the_ca_is_put_in_place(plane: Node) -> None:
    external(plane)
    present, key, middle_key = MADE.leaves["apiserver.crt"], pki.new_key(), pki.new_key()
    renamed = x509.CertificateBuilder().subject_name(x509.Name.from_rfc4514_string("CN=issuing"))
    middle = Certificate(
        renamed.issuer_name(MADE.ca.x509.subject)
        .public_key(middle_key.public_key())
        .serial_number(9)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 999 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(MADE.ca.key, hashes.SHA256())
    )
    new = signs(present, key, Pair(middle.x509, middle_key))
    strangers = (Certificate(MADE.ca.x509), Certificate(MADE.etcd_ca.x509))
    plane.put(f"{CSR}/apiserver.csr", asks(present, key))
    found = plane.inventory()
    assert said([answer(new, "apiserver", middle)], found) == []
    assert from_pem(bundle(answer(new, "apiserver", *strangers, middle), found)) == (new, middle)
    direct = signs(present, key, MADE.ca)
    assert from_pem(bundle(answer(direct, "apiserver", *strangers), found)) == (direct,)
