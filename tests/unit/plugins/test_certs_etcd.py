"""Certificates of an etcd that is a service, signed anew by openssl: the same but for serial number and end."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible.module_utils import kprov_certs_etcd as etcd
from ansible.module_utils.kprov_etcd_service import etcd_service
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_static_pods import StaticPod
from cryptography import x509

from kprov.certs.node import components
from kprov.remote.node import processes, read
from tests.unit.plugins.certificates import Pair, issue

DIRECTORY = "/etc/ssl/etcd/ssl"
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
FLAGS = {"trusted-ca-file": "ca.pem", "cert-file": "member-a.pem", "peer-cert-file": "member-a.pem"}
NAMES = ("localhost", "etcd.kube-system.svc", "127.0.0.1")


def put(node: Path, name: str, pair: Pair) -> Path:
    directory = node / DIRECTORY.lstrip("/")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.pem").write_bytes(pair.pem)
    (directory / f"{name}-key.pem").write_bytes(pair.key)
    return directory / f"{name}.pem"


@pytest.fixture
def tools(node: Path) -> None:
    """openssl where a node has it."""
    (node / "usr/bin").mkdir(parents=True, exist_ok=True)
    (node / "usr/bin/openssl").symlink_to("/usr/bin/openssl")


@pytest.fixture
def ca(node: Path) -> Pair:
    made = issue("etcd-ca", days=3650, now=NOW - datetime.timedelta(days=1))
    put(node, "ca", made)
    return made


def member(ca: Pair, days: float = 20) -> Pair:
    return issue("etcd-member-a", signer=ca, days=days, names=NAMES, now=NOW - datetime.timedelta(hours=1))


def found(api: StaticPod | None = None) -> list[etcd.Leaf]:
    service = StaticPod("etcd", "\n".join(f"--{flag}={DIRECTORY}/{file}" for flag, file in FLAGS.items()))
    return etcd.leaves(service, api, f"{DIRECTORY}/ca.pem")


def test_leaves_are_those_that_the_ca_signed_by_what_they_are_used_for(node: Path, ca: Pair) -> None:
    put(node, "member-a", member(ca))
    put(node, "node-a", issue("etcd-node-a", signer=ca))
    put(node, "admin-a", issue("etcd-admin-a", signer=ca))
    put(node, "stranger", issue("stranger", signer=issue("other")))
    api = StaticPod("kube-apiserver", f"--etcd-certfile={DIRECTORY}/node-a.pem")
    names = {leaf.name: Path(leaf.path).name for leaf in found(api)}
    assert names == {
        "etcd-server": "member-a.pem",
        "apiserver-etcd-client": "node-a.pem",
        "admin-a.pem": "admin-a.pem",
    }
    (node / DIRECTORY.lstrip("/") / "ca-key.pem").unlink()
    assert found(api) == []


def test_a_new_one_has_the_same_key_subject_names_and_usages(node: Path, ca: Pair, tools: None) -> None:
    path = put(node, "member-a", member(ca))
    path.chmod(0o640)
    before, key = x509.load_pem_x509_certificate(path.read_bytes()), (path.with_name("member-a-key.pem")).read_bytes()
    (leaf,) = found()
    etcd.sign(leaf, f"{DIRECTORY}/ca.pem", f"{DIRECTORY}/ca-key.pem")
    after = x509.load_pem_x509_certificate(path.read_bytes())
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert after.not_valid_after_utc - after.not_valid_before_utc == datetime.timedelta(days=20)
    assert after.subject == before.subject
    assert after.public_key() == before.public_key()
    extensions = {one.oid: (one.critical, one.value) for one in after.extensions}  # openssl adds identifiers of keys
    assert {one.oid: extensions[one.oid] for one in before.extensions} == {
        one.oid: (one.critical, one.value) for one in before.extensions
    }
    after.verify_directly_issued_by(ca.certificate)
    assert path.with_name("member-a-key.pem").read_bytes() == key
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in path.parent.iterdir()) == [
        *("ca-key.pem", "ca.pem", "member-a-key.pem", "member-a.pem")
    ]


def test_it_does_not_outlive_its_ca(node: Path, ca: Pair, tools: None) -> None:
    path = put(node, "member-a", member(ca, days=36500))
    (leaf,) = found()
    etcd.sign(leaf, f"{DIRECTORY}/ca.pem", f"{DIRECTORY}/ca-key.pem")
    after = x509.load_pem_x509_certificate(path.read_bytes())
    assert after.not_valid_after_utc <= ca.certificate.not_valid_after_utc


@pytest.mark.parametrize("fault", ["wrong key of the CA", "wrong key of the leaf", "no openssl"])
def test_whatever_fails_the_file_is_as_it_was(node: Path, ca: Pair, tools: None, fault: str) -> None:
    path = put(node, "member-a", member(ca))
    other = issue("other").key
    if fault == "no openssl":
        (node / "usr/bin/openssl").unlink()
    else:
        path.with_name("ca-key.pem" if "CA" in fault else "member-a-key.pem").write_bytes(other)
    before = path.read_bytes()
    (leaf,) = found()
    with pytest.raises(StepError, match=r"as it was|openssl"):
        etcd.sign(leaf, f"{DIRECTORY}/ca.pem", f"{DIRECTORY}/ca-key.pem")
    assert path.read_bytes() == before
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


def test_a_service_is_read_from_its_environment_and_its_flags(node: Path) -> None:
    process = node / "proc/7"
    (process / "ns").mkdir(parents=True)
    (process / "cmdline").write_text("/usr/local/bin/etcd\0--name\0a\0--cert-file=/flag.pem\0")
    (process / "environ").write_text("PATH=/bin\0ETCD_CERT_FILE=/environment.pem\0ETCD_TRUSTED_CA_FILE=/ca.pem\0")
    found = etcd_service()
    assert found is not None
    assert (found.flag("cert-file"), found.flag("trusted-ca-file"), found.flag("name")) == ("/flag.pem", "/ca.pem", "a")
    manifests = node / "etc/kubernetes/manifests"
    manifests.mkdir(parents=True)
    (manifests / "etcd.yaml").write_text("kind: Pod\n")
    assert etcd_service() is None


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--cert-file=/a.pem"], ""),
        (["--cert-file", "/a.pem", "--debug"], ""),
        (["--cert-file=/b.pem", "--cert-file=/a.pem"], ""),  # the last one counts, as Go's flags have it
        (["--debug", "--cert-file=/a.pem"], "ETCD_CERT_FILE=/b.pem\0"),
        (["--debug"], "PATH=/bin\0ETCD_CERT_FILE=/a.pem\0"),
    ],
)
def test_the_check_reads_of_a_service_what_the_renewal_reads(
    node: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], environment: str
) -> None:
    monkeypatch.setattr(read, "ROOT", str(node))
    (node / "proc/7").mkdir()
    (node / "proc/7/cmdline").write_text("\0".join(["/usr/local/bin/etcd", *words]) + "\0")
    (node / "proc/7/environ").write_text(environment)
    (node / "proc/7/stat").write_text("7 (etcd) S " + "0 " * 30)
    (node / "proc/stat").write_text("btime 1700000000\n")
    found = etcd_service()
    assert found is not None
    assert (found.flag("cert-file"), processes.flag(components.look()["etcd"]["args"], "cert-file")) == ("/a.pem",) * 2
