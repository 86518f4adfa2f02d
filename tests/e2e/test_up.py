"""The life of a cluster under `kprov up`: first run, second run, drift, a new worker."""

from __future__ import annotations

import json

import pytest

from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

FIRST_INSTALL_CALLS = 50  # module executions per host, design target
VERIFY_ALL_CALLS = 25


@pytest.fixture(scope="module")
def fresh(make_lab: MakeLab) -> LabCluster:
    return make_lab("up")


def test_check_of_a_first_install_goes_through_and_changes_nothing(fresh: LabCluster) -> None:
    before = fresh.files("cp1", "w1")
    done = fresh.up("--check")
    assert done.data["changed"] == 3
    assert fresh.files("cp1", "w1") == before
    assert fresh.kprov("plan").exit_code == 2


def test_first_up_makes_a_cluster_with_few_module_calls(fresh: LabCluster) -> None:
    done = fresh.up()
    assert done.data["changed"] == 3
    assert max(done.data["module_calls"].values()) <= FIRST_INSTALL_CALLS, done.data["module_calls"]
    nodes = json.loads(fresh.kubectl("get", "nodes", "-o", "json"))["items"]
    assert {n["metadata"]["name"] for n in nodes} == {fresh.node("cp1"), fresh.node("w1"), fresh.node("w2")}
    ready = [c["status"] for n in nodes for c in n["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"] * 3


def test_second_up_changes_nothing_and_starts_no_ansible(fresh: LabCluster) -> None:
    before = fresh.snapshot("cp1", "w1", "w2")
    done = fresh.up()
    assert done.data["changed"] == 0
    assert done.data["module_calls"] == {}
    assert done.data["log"] is None
    assert fresh.snapshot("cp1", "w1", "w2") == before


def test_verify_all_runs_everything_and_changes_and_restarts_nothing(fresh: LabCluster) -> None:
    before = fresh.snapshot("cp1", "w1", "w2")
    done = fresh.up("--verify-all")
    assert done.data["changed"] == 0, done.data
    assert max(done.data["module_calls"].values()) <= VERIFY_ALL_CALLS, done.data["module_calls"]
    assert fresh.snapshot("cp1", "w1", "w2") == before


def test_worker_gets_no_control_plane_supply(fresh: LabCluster) -> None:
    assert "kube-apiserver" not in fresh.ssh("w1", "ctr -n k8s.io images ls -q")
    assert "kube-apiserver" in fresh.ssh("cp1", "ctr -n k8s.io images ls -q")
    assert "missing" in fresh.ssh("w1", "test -e /usr/local/bin/kubectl || echo missing")


@pytest.mark.parametrize(
    ("phase", "spoil", "what"),
    [
        ("os", "echo x >> /etc/sysctl.d/90-kprov.conf", "/etc/sysctl.d/90-kprov.conf differs"),
        ("container_runtime", "rm /etc/containerd/config.toml", "/etc/containerd/config.toml is missing"),
        ("container_runtime", "systemctl stop containerd", "containerd.service is inactive"),
        ("kubelet", "systemctl stop kubelet", "kubelet.service is inactive"),
        ("kubernetes", "rm /opt/cni/bin/bridge", "/opt/cni/bin/bridge is missing"),
    ],
)
def test_drift_is_named_by_plan_and_repaired_by_up_only_where_it_is(
    fresh: LabCluster, phase: str, spoil: str, what: str
) -> None:
    others = fresh.snapshot("cp1", "w2")
    fresh.ssh("w1", spoil)
    plan = fresh.kprov("plan")
    assert plan.exit_code == 2
    assert [(s["phase"], s["host"]) for s in plan.data["steps"]] == [(phase, fresh.node("w1"))]
    assert what in plan.data["steps"][0]["reasons"]
    done = fresh.up()
    assert done.data["changed_hosts"] == [fresh.node("w1")]
    assert fresh.kprov("plan").exit_code == 0
    assert fresh.snapshot("cp1", "w2") == others


def test_check_shows_and_changes_no_file_on_a_node(fresh: LabCluster) -> None:
    fresh.ssh("w1", "echo x >> /etc/sysctl.d/90-kprov.conf")
    before = fresh.snapshot("cp1", "w1", "w2")
    fresh.up("--check")
    assert fresh.snapshot("cp1", "w1", "w2") == before
    fresh.up()


def test_network_that_was_changed_by_hand_is_named_and_repaired(fresh: LabCluster) -> None:
    fresh.kubectl("-n", "kube-system", "delete", "daemonset", "kube-router")
    plan = fresh.kprov("plan")
    assert [s["phase"] for s in plan.data["steps"]] == ["network"]
    fresh.up()
    assert fresh.kprov("plan").exit_code == 0


def test_new_worker_touches_only_itself_and_one_control_plane(fresh: LabCluster) -> None:
    before = fresh.snapshot("cp1", "w1", "w2")
    from tests.e2e.cluster import kprov

    grown = kprov("lab", "up", "--name", fresh.name, "--control-planes", "1", "--workers", "3", timeout=900)
    assert grown.exit_code == 0, grown.stderr
    done = fresh.up()
    assert set(done.data["module_calls"]) <= {fresh.node("w3"), fresh.node("cp1")}
    assert fresh.snapshot("w1", "w2") == {n: before[n] for n in ("w1", "w2")}
    assert fresh.node("w3") in fresh.kubectl("get", "nodes", "-o", "name")
    assert not [
        line for line in fresh.kubectl("-n", "kube-system", "get", "secrets").splitlines() if "bootstrap-token" in line
    ]
