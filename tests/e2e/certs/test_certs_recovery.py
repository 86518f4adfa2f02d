"""Every certificate has ended and no kubelet can log in: one command, and the cluster is back. Pods never stopped."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster, change, wait_until
from tests.e2e.conftest import MakeLab, Measured

LIFE = "5m"  # long enough to install the cluster, and to look at it after the recovery
NODES = ("cp1", "cp2", "cp3", "w1", "w2")
ENDED = ("apiserver", "etcd-server", "etcd-peer", "admin.conf", "scheduler.conf", "kubelet-client")
KUBE_PROXY = "crictl ps -q --name kube-proxy"  # a pod that runs everywhere


@pytest.fixture(scope="module")
def expired(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("expired", control_planes=3, workers=2)
    change(
        lab,
        control_plane_certificate_validity=LIFE,
        control_plane_controller_manager_args={"cluster-signing-duration": LIFE},
    )
    lab.up("--no-verify")
    return lab


def ends(lab: LabCluster) -> list[tuple[str, str, datetime]]:
    """Host, item and end of what ends within the hour."""
    found = lab.certs("check").data["items"]
    each = [(i["host"], i["item"], datetime.fromisoformat(i["not_after"])) for i in found if i["left_seconds"] < 3600]
    return [one for one in each if one[1] in ENDED]


def test_a_dead_cluster_comes_back(expired: LabCluster, measured: Measured) -> None:
    for node in NODES:  # as a machine that was off for a year: nobody renews anything meanwhile
        expired.ssh(node, "systemctl stop kubelet")
    last = max(end for _, _, end in ends(expired))
    wait_until(f"all certificates have ended, the last at {last}", lambda: datetime.now(UTC) > last, 600)
    for node in NODES:
        expired.ssh(node, "systemctl start --no-block kubelet")
    checked = expired.certs("check")
    assert checked.exit_code == ExitCode.CRITICAL
    gone = {(f["host"], f["name"]) for f in checked.data["findings"] if f["code"] == "expired"}
    assert {(expired.node(node), "kubelet-client") for node in NODES} <= gone
    assert {(expired.node("cp1"), name) for name in ENDED} <= gone
    before = {node: expired.ssh(node, KUBE_PROXY) for node in NODES}

    done = expired.certs("renew", "--yes")

    assert done.exit_code == ExitCode.OK, done.stderr
    measured(f"three control planes and two workers whose certificates had ended: back in {done.data['seconds']} s")
    assert "Certificates have ended" in done.stderr
    nodes = expired.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
    assert nodes.count("condition met") == len(NODES)
    assert {node: expired.ssh(node, KUBE_PROXY) for node in NODES} == before
    assert expired.ssh("w1", "ls /etc/kubernetes/bootstrap-kubelet.conf", check=False) == ""
    tokens = expired.kubectl("-n", "kube-system", "get", "secrets", "-o", "name")
    assert "bootstrap-token" not in tokens
    verified = expired.kprov("verify")
    assert verified.exit_code == ExitCode.OK, verified.stderr
