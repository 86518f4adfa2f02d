"""`kprov certs renew` on three control planes, while clients read and write all the time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kprov.certs.node.known import KUBEADM
from kprov.engine.paths import cluster_home
from kprov.spec.load import load
from tests.e2e.clients import Client
from tests.e2e.cluster import Completed, LabCluster, another_inventory
from tests.e2e.conftest import MakeLab, Measured

PLANES = ("cp1", "cp2", "cp3")
# Nothing that answers is restarted; what is left is a busy machine.
LONGEST_GAP = 2.0  # seconds


@dataclass(frozen=True)
class Renewal:
    """before, after: items by host and name. running: containers by node and name. leader: of etcd. mine: a digest."""

    done: Completed
    before: dict[tuple[str, str], dict[str, Any]]
    after: dict[tuple[str, str], dict[str, Any]]
    running: dict[str, dict[str, str]]
    leader: str
    mine: str
    reader: Client
    writer: Client


STATUS = (
    "cd /etc/kubernetes/pki/etcd && curl -s --cacert ca.crt --cert healthcheck-client.crt --key healthcheck-client.key "
    "https://127.0.0.1:2379/v3/maintenance/status -d '{}'"
)


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    made = make_lab("renewha", control_planes=3, workers=0)
    inventory = another_inventory(
        made,
        tmp_path_factory.mktemp("renewha"),
        control_plane_certificate_validity="240h",
        certs_renew_kubeconfigs="['/root/.kube/config', '/root/mine']",
    )
    lab = LabCluster(made.name, inventory)
    lab.up("--no-verify")
    return lab


@pytest.fixture(scope="module")
def renewal(lab: LabCluster, measured: Measured) -> Renewal:
    """One renewal of everything everywhere, with a copy of admin.conf and a file of somebody's own on cp1."""
    lab.ssh("cp1", "mkdir -p /root/.kube && cp /etc/kubernetes/admin.conf /root/.kube/config")
    lab.ssh("cp1", "sed s/default-auth/changed/ /etc/kubernetes/kubelet.conf > /root/mine")
    mine = lab.ssh("cp1", "sha256sum /root/mine")
    addresses = [host.ip for host in load(lab.inventory).spec.group("kube_control_plane")]
    kubeconfig = lab.kprov("kubeconfig", "--print").data["kubeconfig"]
    before, running, last = items(lab), {plane: lab.static_pods(plane) for plane in PLANES}, leader(lab)
    with (
        Client(kubeconfig, addresses, write=False) as reader,
        Client(kubeconfig, addresses[::-1], write=True) as writer,
    ):
        done = lab.certs("renew", "--yes")
    for name, client in (("reads", reader), ("writes", writer)):
        said = f"{client.answers} answers, longest gap {client.longest_gap:.2f} s, refused: {client.refused}"
        measured(f"{name} during a renewal on three control planes: {said}")
    return Renewal(done, before, items(lab), running, last, mine, reader, writer)


def leader(lab: LabCluster) -> str:
    for plane in PLANES:
        status = json.loads(lab.ssh(plane, STATUS))
        if status["leader"] == status["header"]["member_id"]:
            return lab.node(plane)
    raise AssertionError("etcd has no leader")


def items(lab: LabCluster) -> dict[tuple[str, str], dict[str, Any]]:
    """kubeadm's certificates by host and name, as `certs check` sees them."""
    found = lab.certs("check").data["items"]
    return {(item["host"], item["item"]): item for item in found if item["item"] in KUBEADM and item["host"]}


def test_everything_that_ends_soon_is_renewed_and_in_use(lab: LabCluster, renewal: Renewal) -> None:
    done, before, after = renewal.done, renewal.before, renewal.after
    assert done.exit_code == 0, done.stderr
    assert {(item["host"], item["item"]) for item in done.data["items"] if item["proof"]} == before.keys()
    assert not any(item["problem"] for item in done.data["items"])
    assert before.keys() == after.keys()
    assert len(before) == 3 * len(KUBEADM) - 2  # super-admin.conf is only where the cluster was made
    for key, item in after.items():
        assert item["serial"] != before[key]["serial"], key
        assert item["not_after"] > before[key]["not_after"], key
        assert all(item[name] == before[key][name] for name in ("subject", "sans", "issuer")), key
    in_use = ("apiserver", "etcd-server", "etcd-peer", "controller-manager.conf", "scheduler.conf")
    assert all(after[lab.node(plane), name]["served_equal"] for plane in PLANES for name in in_use)


def test_clients_do_not_notice(renewal: Renewal) -> None:
    assert min(renewal.reader.answers, renewal.writer.answers) > 100
    assert max(renewal.reader.longest_gap, renewal.writer.longest_gap) < LONGEST_GAP
    assert renewal.reader.refused == renewal.writer.refused == []


def test_only_what_reads_its_certificate_at_its_start_is_restarted(lab: LabCluster, renewal: Renewal) -> None:
    for plane, running in renewal.running.items():
        now = lab.static_pods(plane)
        restarted = {name for name in running if now[name] != running[name]}
        assert restarted == {"kube-controller-manager", "kube-scheduler"}, plane


def test_the_leader_of_etcd_comes_last(lab: LabCluster, renewal: Renewal) -> None:
    lines = (Path(renewal.done.data["log"]).parent / "events.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event.get("module") == "kprov_certs_renew"]
    order = [event["host"] for event in events if event["event"] == "ok"]
    assert sorted(order) == [lab.node(plane) for plane in PLANES]
    assert order[-1] == renewal.leader


def test_a_copy_of_admin_conf_is_refreshed_and_nothing_else(lab: LabCluster, renewal: Renewal) -> None:
    lab.ssh("cp1", "/usr/local/bin/kubectl --kubeconfig /root/.kube/config get nodes")
    lab.ssh("cp1", "cmp /etc/kubernetes/admin.conf /root/.kube/config")
    assert lab.ssh("cp1", "sha256sum /root/mine") == renewal.mine
    assert "/root/mine has a certificate of its own" in renewal.done.stderr


def test_backups_are_whole_and_private(lab: LabCluster, renewal: Renewal) -> None:
    for plane in PLANES:
        (fetched,) = (cluster_home(lab.name) / "backups" / lab.node(plane)).iterdir()
        assert {path.name for path in fetched.iterdir()} == {"kubernetes.tar.gz", "etcd.db", "backup.json"}
        assert all(path.stat().st_mode & 0o077 == 0 for path in (fetched, *fetched.iterdir()))
    about = json.loads((fetched / "backup.json").read_text())
    # etcd's own tool must accept what kprov took from its port.
    lab.ssh("cp3", f"cp /var/lib/kprov/backups/{fetched.name}/etcd.db /var/lib/etcd/check.db")
    try:
        tool = "crictl exec $(crictl ps --name '^etcd$' -q) etcdutl"
        status = json.loads(lab.ssh("cp3", f"{tool} snapshot status /var/lib/etcd/check.db -w json"))
    finally:
        lab.ssh("cp3", "rm /var/lib/etcd/check.db")
    assert status["revision"] >= int(about["etcd"]["revision"])
    assert status["totalKey"] > 100


def test_a_member_of_etcd_that_is_down_stops_the_renewal_before_any_change(lab: LabCluster) -> None:
    before = lab.files(*PLANES)
    lab.ssh("cp2", "mv /etc/kubernetes/manifests/etcd.yaml /root/ && crictl stop $(crictl ps --name '^etcd$' -q)")
    try:
        done = lab.certs("renew", "--yes", "--all")
    finally:
        lab.ssh("cp2", "mv /root/etcd.yaml /etc/kubernetes/manifests/")
    assert done.exit_code == 13
    assert "no certificate was changed" in done.data["hint"]
    assert lab.files(*PLANES) == before
