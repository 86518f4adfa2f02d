"""Certificates whose CA is not on the node: requests out, wrong answers refused, right ones in place and in use.

One control plane, whose CAs' keys are taken away by a test that is their owner from then on. First etcd's alone.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kprov.certs.node.known import KUBEADM
from kprov.engine.lock import controller_lock
from kprov.errors import ExitCode
from tests.e2e.certs.test_certs_renew import RENEWS, items, renew, runs
from tests.e2e.cluster import Completed, LabCluster, another_inventory
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

CAS = ("ca", "etcd/ca", "front-proxy-ca")
ETCDS = {"apiserver-etcd-client", "etcd-server", "etcd-peer", "etcd-healthcheck-client"}
IN_USE = "cd /etc/kubernetes && sha256sum pki/*.* pki/etcd/*.* *.conf manifests/*"
WAITING = "stat -c '%a %U %n' /var/lib/kprov/csr /var/lib/kprov/csr/* 2>/dev/null; true"
# Where a CA is elsewhere from the beginning, kubeadm gives the controller manager nothing to sign with.
NO_SIGNER = "sed -i '/--cluster-signing-/d' /etc/kubernetes/manifests/kube-controller-manager.yaml"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    made = make_lab("csr", workers=0)
    inventory = another_inventory(made, tmp_path_factory.mktemp("csr"), control_plane_certificate_validity="240h")
    cluster = LabCluster(made.name, inventory)
    cluster.up("--no-verify")
    return cluster


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the CAs are once they are no longer on the node, as kubeadm lays them out."""
    return tmp_path_factory.mktemp("cas")


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange") / "requests"


def take_away(lab: LabCluster, owner: Path, *cas: str) -> None:
    for ca in cas:
        for suffix in ("crt", "key"):
            path = owner / f"{ca}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(lab.ssh("cp1", f"cat /etc/kubernetes/pki/{ca}.{suffix}"))
        lab.ssh("cp1", f"rm /etc/kubernetes/pki/{ca}.key")


def export(lab: LabCluster, to: Path, *arguments: str) -> Completed:
    return lab.certs("csr export", "--to", str(to), *arguments)


def bring_in(lab: LabCluster, source: Path, *arguments: str) -> Completed:
    return lab.certs("csr import", "--yes", "--from", str(source), *arguments)


def sign(directory: Path, owner: Path) -> None:
    """What the owner of the CAs does, with the script that came along."""
    argv = ["sh", str(directory / "sign.sh")]
    subprocess.run(argv, env={**os.environ, "CA": str(owner)}, check=True, capture_output=True)


def external(found: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, item in found.items() if item["renewed_by"] == "external CA"}


def serials(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: item["serial"] for name, item in found.items()}


def test_only_etcd_s_ca_is_elsewhere(lab: LabCluster, owner: Path, tmp_path: Path) -> None:
    take_away(lab, owner, "etcd/ca")
    before, running = items(lab), lab.static_pods()
    assert external(before) == ETCDS
    done = export(lab, tmp_path / "etcd")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert {entry["item"] for entry in done.data["requests"]} == ETCDS
    assert {entry["ca"] for entry in done.data["requests"]} == {"etcd-ca"}
    sign(tmp_path / "etcd", owner)
    done = bring_in(lab, tmp_path / "etcd")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert {item["item"] for item in done.data["items"] if item["proof"]} == ETCDS
    after = items(lab)
    old, new = serials(before), serials(after)
    assert {name for name in old if old[name] != new[name]} == ETCDS
    assert all(after[name]["served_equal"] for name in ("etcd-server", "etcd-peer"))
    now = lab.static_pods()
    assert {name: now[name] for name in running} == running
    done = renew(lab, "--only", "apiserver,etcd-peer")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert [item["item"] for item in done.data["items"]] == ["apiserver"]


def test_renewal_leaves_them_alone_and_says_where_to_go(lab: LabCluster, owner: Path) -> None:
    take_away(lab, owner, "ca", "front-proxy-ca")
    lab.ssh("cp1", NO_SIGNER)
    assert external(items(lab)) == KUBEADM
    before, known = lab.ssh("cp1", IN_USE), runs(lab)
    done = renew(lab)
    assert done.exit_code == ExitCode.OK
    assert "kprov certs csr export" in done.stderr
    left = {one["message"].split()[0] for one in done.envelope["problems"] if one["code"] == "external-ca"}
    assert left == KUBEADM
    assert (lab.ssh("cp1", IN_USE), runs(lab)) == (before, known)


def test_export_touches_nothing_in_use_and_keeps_keys_on_the_node(lab: LabCluster, requests: Path) -> None:
    before = lab.ssh("cp1", IN_USE)
    done = export(lab, requests)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert {entry["item"] for entry in done.data["requests"]} == KUBEADM
    assert lab.ssh("cp1", IN_USE) == before
    modes = lab.ssh("cp1", WAITING).split("\n")
    assert modes[0] == "700 root /var/lib/kprov/csr"
    assert len(modes[1:-1]) == 2 * len(KUBEADM)
    assert all(line.startswith("600 root ") for line in modes[1:-1])
    out = {path: path.read_bytes() for path in requests.rglob("*") if path.is_file()}
    assert not any(b"PRIVATE KEY" in content for content in out.values())
    known = runs(lab)
    again = export(lab, requests)
    assert (again.exit_code, again.data["changed"]) == (ExitCode.OK, False)
    assert {path: path.read_bytes() for path in out} == out
    assert runs(lab) == known


def test_wrong_and_missing_answers_change_nothing(lab: LabCluster, owner: Path, requests: Path, tmp_path: Path) -> None:
    sign(requests, owner)
    wrong = tmp_path / "wrong"
    shutil.copytree(requests, wrong)
    host = wrong / lab.node("cp1")
    before, known = lab.ssh("cp1", IN_USE), runs(lab)
    entries = json.loads((wrong / "requests.json").read_text())["requests"]
    (line,) = (entry["openssl"] for entry in entries if entry["item"] == "apiserver")
    no_names = line.replace("-copy_extensions copyall", "")
    subprocess.run(no_names, shell=True, cwd=wrong, env={**os.environ, "CA": str(owner)}, check=True)
    shutil.copy(host / "admin.conf.crt", host / "scheduler.conf.crt")
    (host / "etcd-peer.crt").write_text((owner / "etcd/ca.crt").read_text())
    done = bring_in(lab, wrong)
    assert done.exit_code == ExitCode.INPUT
    said = {(Path(p["file"]).name, p["message"]) for p in done.envelope["problems"] if p["severity"] == "error"}
    assert {name for name, _ in said} == {"apiserver.crt", "scheduler.conf.crt", "etcd-peer.crt"}
    text = "\n".join(message for _, message in said)
    assert all(word in text for word in ("lacks the names", "public key", "it is a CA's", "subject"))
    (host / "etcd-peer.crt").unlink()
    done = bring_in(lab, wrong)
    assert done.exit_code == ExitCode.INPUT
    assert "has not been answered" in done.stderr
    assert (lab.ssh("cp1", IN_USE), runs(lab)) == (before, known)


def test_a_cluster_that_is_in_use_is_left_alone(lab: LabCluster, requests: Path) -> None:
    before = lab.ssh("cp1", IN_USE)
    with controller_lock(lab.name, "test"):
        assert bring_in(lab, requests).exit_code == ExitCode.LOCKED
    assert lab.ssh("cp1", IN_USE) == before
    done = bring_in(lab, requests, "--dry-run")
    assert done.exit_code == ExitCode.FOUND, done.stderr
    (planned,) = done.data["planned"]
    assert set(planned["renew"]) == KUBEADM
    assert lab.ssh("cp1", IN_USE) == before


def test_an_import_that_was_killed_is_finished_by_the_next_one(lab: LabCluster, requests: Path) -> None:
    before, running = serials(items(lab)), lab.static_pods()
    with RunningUp(lab, "--from", str(requests), verb=("certs", "csr", "import")) as run:
        run.wait_for("certs_renew", RENEWS)
        end = time.monotonic() + 30
        while len(lab.ssh("cp1", WAITING).splitlines()) > 2 * len(KUBEADM) and time.monotonic() < end:
            pass  # nothing is in place yet
        run.kill()
    lab.ssh("cp1", "flock --timeout 60 /run/kprov.lock true")
    done = bring_in(lab, requests)
    assert done.exit_code == ExitCode.OK, done.stderr
    after = items(lab)
    assert all(serials(after)[name] != before[name] for name in KUBEADM)
    in_use = ("apiserver", "etcd-server", "etcd-peer", "controller-manager.conf", "scheduler.conf")
    assert all(after[name]["served_equal"] for name in in_use)
    now = lab.static_pods()
    restarted = {name for name in running if now[name] != running[name]}
    assert restarted == {"kube-controller-manager", "kube-scheduler"}
    assert lab.ssh("cp1", WAITING).split() == ["700", "root", "/var/lib/kprov/csr"]
    assert lab.ssh("cp1", "ls /var/lib/kprov/backups")


def test_what_is_served_is_what_the_owner_signed(lab: LabCluster, requests: Path) -> None:
    signed = (requests / lab.node("cp1") / "apiserver.crt").read_text()
    serving = "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509"
    assert _der(lab.ssh("cp1", serving)) == _der(signed)
    lab.kubectl("get", "nodes")


def test_second_import_has_nothing_to_do(lab: LabCluster, requests: Path) -> None:
    before, known = lab.snapshot("cp1"), runs(lab)
    done = bring_in(lab, requests)
    assert (done.exit_code, done.data["changed"]) == (ExitCode.OK, False)
    assert "nothing to import" in _table(lab, requests)
    assert (lab.snapshot("cp1"), runs(lab)) == (before, known)


def test_the_cluster_works(lab: LabCluster) -> None:
    assert lab.kprov("verify").exit_code == ExitCode.OK


def _table(lab: LabCluster, requests: Path) -> str:
    """As a person sees it."""
    argv = [sys.executable, "-m", "kprov", "certs", "csr", "import", str(lab.inventory), "--from", str(requests)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout


def _der(pem: str) -> bytes:
    lines = pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]
    return base64.b64decode(lines)
