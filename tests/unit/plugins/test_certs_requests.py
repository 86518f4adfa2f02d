"""Requests for a CA elsewhere: they ask for what the certificate says; keys wait, and get in place with the answer."""

from __future__ import annotations

import datetime
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils import kprov_certificate_request as signing
from ansible.module_utils import kprov_certs_requests as requests
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils.kprov_certs_renewal import Renewal
from ansible.module_utils.kprov_certs_signed import Signed
from ansible.module_utils.kprov_kubeadm_run import StepError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.unit.plugins.certificates import NOW, Pair, issue

CA = issue("kubernetes")
NAMES = ("cp1", "kubernetes.default.svc", "10.96.0.1", "fd00::1")
PKI = "etc/kubernetes/pki"
YEAR = datetime.timedelta(days=365)
KEYS = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}
USAGE = x509.KeyUsage(
    digital_signature=True,
    key_encipherment=True,
    content_commitment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def der(public: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined,no-any-return]


def signed(pem: str, now: datetime.datetime = NOW) -> str:
    """What a CA makes of a request when it copies what that asks for."""
    wanted = x509.load_pem_x509_csr(pem.encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(wanted.subject)
        .issuer_name(CA.certificate.subject)
        .public_key(wanted.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + YEAR)
    )
    for extension in wanted.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = builder.sign(CA.private_key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def plane(node: Path) -> Path:
    """A control plane without the CA's key: one certificate with names, one in a kubeconfig."""
    CA.write(node / PKI, "ca")
    (node / PKI / "ca.key").unlink()
    issue("kube-apiserver", signer=CA, names=NAMES).write(node / PKI, "apiserver")
    issue("admin", signer=CA).write(node / "elsewhere", "admin")
    (node / "etc/kubernetes/admin.conf").write_text("# mine\n" + issue("admin", signer=CA).kubeconfig() + "# end\n")
    return node


def prepare(name: str, check_mode: bool = False) -> bool:
    item = kubeadm.items()[name]
    return requests.prepare(item, kubeadm.read(item), check_mode=check_mode)


def request(plane: Path, name: str) -> str:
    return (plane / f"var/lib/kprov/csr/{name}.csr").read_text()


def renew(plane: Path, **answers: str) -> dict[str, object]:
    parameters = {"only": [], "within": "", "config": "", "recover": False, "bin_dir": "", "signed": answers}
    found: dict[str, object] = Renewal(parameters, None, check_mode=False).run()
    return found


@pytest.mark.parametrize("kind", KEYS)
def test_a_request_asks_for_exactly_what_the_certificate_says(node: Path, kind: str) -> None:
    key = KEYS[kind]()
    names = x509.SubjectAlternativeName([x509.DNSName("cp1")])
    subject = x509.Name.from_rfc4514_string("CN=system:node:cp1,O=system:nodes,O=second")
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(NOW).not_valid_after(NOW + YEAR)
    usages = x509.ExtendedKeyUsage([x509.OID_SERVER_AUTH, x509.OID_CLIENT_AUTH])
    wanted = {x509.KeyUsage: USAGE, x509.ExtendedKeyUsage: usages, x509.SubjectAlternativeName: names}
    for value in wanted.values():
        builder = builder.add_extension(value, critical=value is USAGE)
    made = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    old = certificates.from_der(made)
    assert old.public_key == der(key.public_key())
    (node / "key").write_bytes(signing.new_key(old.public_key))
    pem = signing.request(old, str(node / "key"))

    read = x509.load_pem_x509_csr(pem.encode())
    assert read.is_signature_valid
    assert read.subject.public_bytes() == old.subject
    assert {type(e.value): e.value for e in read.extensions} == wanted
    assert {type(e.value) for e in read.extensions if e.critical} == {x509.KeyUsage}
    assert der(read.public_key()) == signing.public_key(str(node / "key"))
    assert getattr(read.public_key(), "key_size") == key.key_size  # noqa: B009
    assert der(read.public_key()) != old.public_key
    assert signing.signed_part(pem) == signing.asks(old, der(read.public_key()))


def test_a_key_that_kubeadm_does_not_make_is_refused() -> None:
    with pytest.raises(StepError, match="RSA or ECDSA"):
        signing.new_key(der(ed25519.Ed25519PrivateKey.generate().public_key()))


def test_a_node_without_openssl_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(StepError, match="install the package openssl"):
        signing.new_key(certificates.from_pem(CA.pem.decode()).public_key)


def test_only_what_has_no_key_of_its_ca_here_is_asked_for(plane: Path) -> None:
    found = kubeadm.present(kubeadm.items())
    now = NOW.timestamp()
    assert kubeadm.due(kubeadm.items(), found, [], None, now) == []
    assert kubeadm.due(kubeadm.items(), found, [], None, now, external=True) == ["apiserver", "admin.conf"]
    assert kubeadm.due(kubeadm.items(), found, [], 30 * 86400.0, now, external=True) == []
    CA.write(plane / PKI, "ca")
    assert kubeadm.due(kubeadm.items(), found, [], None, now, external=True) == []


def test_nothing_in_use_is_touched_and_the_second_time_nothing_changes(
    plane: Path, tree: Callable[[], dict[str, tuple[bytes, int, int]]]
) -> None:
    before = tree()
    assert prepare("apiserver", check_mode=True)
    assert tree() == before
    assert prepare("apiserver")
    first = tree()
    assert {path: first[path] for path in before} == before
    waiting = sorted(first.keys() - before.keys())
    assert waiting == ["var/lib/kprov/csr/apiserver.csr", "var/lib/kprov/csr/apiserver.key"]
    assert {stat.S_IMODE(first[path][1]) for path in waiting} == {0o600}
    assert stat.S_IMODE((plane / "var/lib/kprov/csr").stat().st_mode) == 0o700
    assert not prepare("apiserver")
    assert tree() == first


def test_a_request_that_was_cut_short_keeps_its_key(plane: Path) -> None:
    prepare("apiserver")
    before, key = request(plane, "apiserver"), requests.key("apiserver")
    (plane / "var/lib/kprov/csr/apiserver.csr").write_text(before[:100])
    assert prepare("apiserver")
    assert requests.key("apiserver") == key
    assert signing.signed_part(request(plane, "apiserver")) == signing.signed_part(before)


def test_new_names_make_a_new_request_for_the_key_that_waits(plane: Path) -> None:
    prepare("apiserver")
    key = requests.key("apiserver")
    issue("kube-apiserver", signer=CA, names=(*NAMES, "new.example")).write(plane / PKI, "apiserver")
    assert prepare("apiserver")
    asked = x509.load_pem_x509_csr(request(plane, "apiserver").encode())
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "new.example" in names.get_values_for_type(x509.DNSName)
    assert requests.key("apiserver") == key


def test_an_answer_gets_in_place_with_its_key_and_only_once(
    plane: Path, tree: Callable[[], dict[str, tuple[bytes, int, int]]]
) -> None:
    for name in ("apiserver", "admin.conf"):
        prepare(name)
    (plane / PKI / "apiserver.crt").chmod(0o640)
    answers = {name: signed(request(plane, name)) for name in ("apiserver", "admin.conf")}
    done = renew(plane, **answers)
    assert done["changes"] == ["renewed apiserver", "renewed admin.conf"]
    assert (plane / PKI / "apiserver.crt").read_text() == answers["apiserver"]
    assert stat.S_IMODE((plane / PKI / "apiserver.crt").stat().st_mode) == 0o640
    admin = (plane / "etc/kubernetes/admin.conf").read_text()
    assert admin.startswith("# mine\n") and admin.endswith("# end\n")
    for name, answer in answers.items():
        item = kubeadm.items()[name]
        assert not kubeadm.broken_pair(item)
        assert kubeadm.read(item) == certificates.from_pem(answer)
    assert list((plane / "var/lib/kprov/csr").iterdir()) == []
    after = tree()
    assert renew(plane, **answers)["changed"] is False
    assert tree() == after


@pytest.mark.parametrize("half", ["key", "crt"])
def test_an_import_that_was_killed_between_two_files_goes_on(plane: Path, half: str) -> None:
    prepare("apiserver")
    answer = signed(request(plane, "apiserver"))
    content = requests.key("apiserver") if half == "key" else answer.encode()
    (plane / PKI / f"apiserver.{half}").write_bytes(content)
    assert kubeadm.broken_pair(kubeadm.items()["apiserver"])
    assert renew(plane, apiserver=answer)["changes"] == ["renewed apiserver"]
    assert not kubeadm.broken_pair(kubeadm.items()["apiserver"])


def test_a_key_that_is_in_use_already_is_not_asked_for_again(plane: Path) -> None:
    """As after an import that was killed before it forgot the request."""
    prepare("apiserver")
    key, answer = requests.key("apiserver"), signed(request(plane, "apiserver"))
    left = request(plane, "apiserver")
    renew(plane, apiserver=answer)
    (plane / "var/lib/kprov/csr/apiserver.key").write_bytes(key)
    (plane / "var/lib/kprov/csr/apiserver.csr").write_text(left)
    assert prepare("apiserver")
    assert requests.key("apiserver") != key


def test_answers_for_other_keys_are_refused_together_before_anything_changes(
    plane: Path, tree: Callable[[], dict[str, tuple[bytes, int, int]]]
) -> None:
    prepare("admin.conf")
    before = tree()
    other: Pair = issue("admin", signer=CA)
    wrong = {"admin.conf": other.pem.decode(), "apiserver": other.pem.decode(), "scheduler.conf": "", "etcd-peer": "x"}
    with pytest.raises(kubeadm.CertificateProblem) as refused:
        renew(plane, **wrong)
    said = str(refused.value)
    assert "admin.conf: the signed certificate is of another key" in said
    assert "apiserver: no request for it waits on this node" in said
    assert "scheduler.conf: it is not on this node" in said
    assert tree() == before


def test_a_kubeconfig_that_names_files_is_not_asked_for(plane: Path) -> None:
    path = plane / "etc/kubernetes/admin.conf"
    path.write_text("users:\n- user:\n    client-certificate: /etc/kubernetes/pki/apiserver.crt\n")
    (plane / "etc/kubernetes/pki/apiserver.crt").chmod(0o644)
    with pytest.raises(kubeadm.CertificateProblem, match="0 client-certificate-data"):
        requests.embed(path.read_text(), "client-certificate", b"x")


def test_what_does_not_get_in_place_whole_is_put_back(plane: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("apiserver")
    answer = signed(request(plane, "apiserver"))
    before = {path.name: path.read_bytes() for path in (plane / PKI).iterdir()}

    def half(self: Signed, item: kubeadm.Item) -> None:
        (plane / PKI / "apiserver.crt").write_text(answer)

    monkeypatch.setattr(Signed, "replace", half)
    with pytest.raises(StepError, match="is as it was before"):
        renew(plane, apiserver=answer)
    assert {path.name: path.read_bytes() for path in (plane / PKI).iterdir()} == before
    assert requests.key("apiserver")
