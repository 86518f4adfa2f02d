"""The directory that goes to a CA's owner and comes back: what is in it, what openssl makes of it, what is refused."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.exchange import Wanted, listed, read, write
from kprov.certs.item import Item, Renewer
from kprov.certs.signed import judge
from kprov.errors import InputError
from tests.unit.certs import pki
from tests.unit.certs.pki import Pair
from tests.unit.certs.test_signed import CA, Profile, in_place, request, sign

ETCD_CA = pki.authority("etcd-ca")


def authority(name: str, pair: Pair) -> Item:
    return Item("cp1", name, "ca", f"/{name}.crt", Certificate(pair.x509), Renewer.NOBODY)


def wanted(host: str = "cp1", name: str = "apiserver", pair: Pair | None = None) -> Wanted:
    present = in_place(Profile(), days=364)
    ca = "etcd-ca" if name.startswith("etcd") else "ca"
    item = Item(host, name, "certificate", f"/{name}", present.certificate, Renewer.EXTERNAL, authority=ca)
    own = ETCD_CA if ca == "etcd-ca" else CA
    return Wanted(item, request(Profile(), pki.new_key() if pair is None else pair.key), authority(ca, own))


def put(directory: Path, name: str, text: str) -> None:
    (directory / f"{name}.crt").write_text(text)


def pem(certificate: Certificate) -> str:
    return Pair(certificate.x509, pki.new_key()).pem


def test_the_list_says_what_each_request_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = wanted()
    (entry,) = write(out, "prod", [one])
    assert json.loads((out / "requests.json").read_text()) == {
        "kind": "kprov.certs.requests/v1",
        "cluster": "prod",
        "requests": [entry],
    }
    assert (out / entry["request"]).read_text() == one.request
    assert entry["ca_sha256"] == one.authority.certificate.fingerprint
    assert entry["sans"] == ["10.96.0.1", "cp1", "fd00::1", "kubernetes.default.svc"]
    assert (entry["key_usage"], entry["extended_key_usage"]) == (
        ["digitalSignature", "keyEncipherment"],
        ["serverAuth"],
    )
    assert entry["validity_seconds"] == int(one.life.total_seconds())
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == [
        "cp1",
        "cp1/apiserver.csr",
        "requests.json",
        "sign.sh",
    ]
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    write(out, "prod", [one])
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_openssl_makes_what_was_asked_for(tmp_path: Path) -> None:
    """The script as it is, with the CAs as kubeadm lays them out."""
    out, cas = tmp_path / "o ut", tmp_path / "ca s"
    for name, pair in (("ca", CA), ("etcd/ca", ETCD_CA)):
        (cas / name).parent.mkdir(parents=True, exist_ok=True)
        (cas / f"{name}.crt").write_text(pair.pem)
        (cas / f"{name}.key").write_text(pair.key_pem)
    both = [wanted(), wanted(name="etcd-server")]
    write(out, "prod", both)
    subprocess.run(["sh", "sign.sh"], cwd=out, env={"PATH": "/usr/bin:/bin", "CA": str(cas)}, check=True)
    signed = (out / "cp1/apiserver.crt").read_text()
    subprocess.run(["sh", "sign.sh"], cwd=out, env={"PATH": "/usr/bin:/bin", "CA": str(cas)}, check=True)
    assert (out / "cp1/apiserver.crt").read_text() == signed
    answers = read(out, "prod", ["cp1"], [])
    assert [answer.item for answer in answers] == ["apiserver", "etcd-server"]
    for answer, one in zip(answers, both, strict=True):
        verdicts = judge(answer.certificate, (), one.request, one.item, [one.authority], datetime.now(UTC))
        assert [v for v in verdicts if v.severity == "error"] == []
        assert 364 <= (answer.certificate.not_after - answer.certificate.not_before).days <= 366


def test_what_was_exported_before_stays_in_the_list(tmp_path: Path) -> None:
    first, second = wanted(), wanted("cp2")
    write(tmp_path / "out", "prod", [first])
    write(tmp_path / "out", "prod", [second])
    assert listed(tmp_path / "out", "prod").keys() == {"cp1/apiserver", "cp2/apiserver"}
    assert "cp2/apiserver.csr" in (tmp_path / "out/sign.sh").read_text()
    assert "cp1/apiserver.csr" in (tmp_path / "out/sign.sh").read_text()


def test_an_answer_to_an_earlier_request_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, "prod", [wanted()])
    put(tmp_path, "cp1/apiserver", pem(sign(Profile(), pki.new_key())))
    before = (tmp_path / "cp1/apiserver.csr").read_text()
    with pytest.raises(InputError, match="answers an earlier request"):
        write(tmp_path, "prod", [wanted()])
    assert (tmp_path / "cp1/apiserver.csr").read_text() == before


def test_directories_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="has other files in it"):
        write(tmp_path, "prod", [wanted()])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    write(tmp_path / "out", "prod", [wanted()])
    with pytest.raises(InputError, match="of the cluster prod, not test"):
        write(tmp_path / "out", "test", [wanted()])
    (tmp_path / "out/requests.json").write_text("{}")
    with pytest.raises(InputError, match="is not what `kprov certs csr export` writes"):
        listed(tmp_path / "out", "prod")


def test_half_an_answer_is_refused_with_everything_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "prod", [wanted("cp1"), wanted("cp2"), wanted("cp3")])
    leaf = pem(sign(Profile(), pki.new_key()))
    put(tmp_path, "cp1/apiserver", leaf)
    put(tmp_path, "cp2/apiserver", "no certificate")
    put(tmp_path, "cp2/apisrver", leaf)
    hosts = ["cp1", "cp2", "cp3"]
    with pytest.raises(InputError) as refused:
        read(tmp_path, "prod", hosts, [])
    codes = {(problem.code, Path(problem.file or "").name, problem.host) for problem in refused.value.problems}
    assert codes == {
        ("no-request", "apisrver.crt", None),
        ("not-a-certificate", "apiserver.crt", "cp2"),
        ("not-answered", "apiserver.crt", "cp3"),
    }
    (tmp_path / "cp2/apisrver.crt").unlink()
    (one,) = read(tmp_path, "prod", ["cp1"], [])  # a part is imported when it is asked for
    assert (one.host, one.file) == ("cp1", str(tmp_path / "cp1/apiserver.crt"))
    with pytest.raises(InputError, match="nothing of that host or item"):
        read(tmp_path, "prod", hosts, ["etcd-peer"])


def test_a_file_holds_the_certificate_first_and_then_its_chain(tmp_path: Path) -> None:
    write(tmp_path, "prod", [wanted()])
    leaf = sign(Profile(), pki.new_key())
    put(tmp_path, "cp1/apiserver", "Subject: apiserver\n" + pem(leaf) + CA.pem)
    (answer,) = read(tmp_path, "prod", ["cp1"], [])
    assert answer.certificate == leaf
    assert answer.chain == from_pem(CA.pem)


def test_a_directory_without_a_list_is_none_of_an_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no requests\.json"):
        read(tmp_path / "nothing", "prod", ["cp1"], [])
