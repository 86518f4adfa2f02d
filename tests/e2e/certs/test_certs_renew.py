"""`kprov certs renew` on one control plane whose certificates live for ten days: what it leaves alone, what it resumes.

A renewal of everything, with clients that watch: test_certs_renew_ha.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kprov.certs.node.known import KUBEADM
from kprov.engine.paths import cluster_home
from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster, another_inventory
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

RENEWS = 6  # the task of the playbook that changes files
# Serves the certificate of a backup in the place of etcd's peers' port: what a process with an old one looks like.
IMPOSTOR = """
cd /run && tar xzf "$(ls -d /var/lib/kprov/backups/*/ | tail -1)kubernetes.tar.gz" etc/kubernetes/pki/etcd
cat > impostor.py <<'END'
import socketserver, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/etc/kubernetes/pki/etcd/peer.crt", "/run/etc/kubernetes/pki/etcd/peer.key")
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        context.wrap_socket(self.request, server_side=True).close()
socketserver.ThreadingTCPServer(("0.0.0.0", 12380), Handler).serve_forever()
END
systemd-run --unit impostor python3 /run/impostor.py
iptables -t nat -I OUTPUT -p tcp --dport 2380 -j REDIRECT --to-ports 12380
"""
NO_IMPOSTOR = "iptables -t nat -D OUTPUT -p tcp --dport 2380 -j REDIRECT --to-ports 12380; systemctl stop impostor"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    made = make_lab("renew", workers=0)
    inventory = another_inventory(made, tmp_path_factory.mktemp("renew"), control_plane_certificate_validity="240h")
    cluster = LabCluster(made.name, inventory)
    cluster.up("--no-verify")
    return cluster


def renew(lab: LabCluster, *arguments: str) -> Completed:
    return lab.certs("renew", "--yes", *arguments)


def items(lab: LabCluster) -> dict[str, dict[str, Any]]:
    """kubeadm's certificates, as `certs check` sees them."""
    found = lab.certs("check").data["items"]
    return {item["item"]: item for item in found if item["item"] in KUBEADM and item["host"]}


def runs(lab: LabCluster) -> set[str]:
    return {path.name for path in (cluster_home(lab.name) / "runs").iterdir()}


def test_second_run_changes_nothing_and_starts_no_ansible(lab: LabCluster) -> None:
    before, known = lab.snapshot("cp1"), runs(lab)
    done = renew(lab, "--within", "9d")
    assert done.exit_code == ExitCode.OK
    assert done.data["changed"] is False
    assert runs(lab) == known
    assert lab.snapshot("cp1") == before


def test_only_what_is_named_is_renewed(lab: LabCluster) -> None:
    before, running = items(lab), lab.static_pods()
    done = renew(lab, "--only", "apiserver,front-proxy-client", "--all")
    assert done.exit_code == ExitCode.OK, done.stderr
    after = items(lab)
    changed = {name for name in before if before[name]["serial"] != after[name]["serial"]}
    assert changed == {"apiserver", "front-proxy-client"}
    assert lab.static_pods() == running


def test_a_file_that_was_renewed_by_hand_is_brought_into_use(lab: LabCluster) -> None:
    running = lab.static_pods()
    lab.ssh("cp1", "kubeadm certs renew scheduler.conf --config /etc/kubernetes/kubeadm.yaml")
    done = renew(lab, "--within", "9d")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert [(item["item"], item["problem"]) for item in done.data["items"]] == [("scheduler.conf", None)]
    now = lab.static_pods()
    assert {name for name in running if now[name] != running[name]} == {"kube-scheduler"}


def test_next_run_finishes_one_that_was_killed(lab: LabCluster) -> None:
    before, running = items(lab), lab.static_pods()
    log = "stat -c %s /var/log/kprov/certs_renew.log"
    written = lab.ssh("cp1", log)
    with RunningUp(lab, "--all", verb=("certs", "renew")) as run:
        run.wait_for("certs_renew", RENEWS)
        end = time.monotonic() + 30
        while lab.ssh("cp1", log) == written and time.monotonic() < end:
            pass  # kubeadm has not begun
        run.kill()
    # The module that was running on the node ends what it began: the files are new, but nobody restarted anything.
    lab.ssh("cp1", "flock --timeout 60 /run/kprov.lock true")
    assert lab.static_pods() == running
    assert lab.certs("check").exit_code == ExitCode.CRITICAL
    done = renew(lab, "--within", "9d")
    assert done.exit_code == ExitCode.OK, done.stderr
    after = items(lab)
    assert all(after[name]["serial"] != before[name]["serial"] for name in KUBEADM)
    assert {item["item"] for item in done.data["items"]} == {"controller-manager.conf", "scheduler.conf"}
    assert all(after[name]["served_equal"] for name in ("controller-manager.conf", "scheduler.conf"))


def test_a_process_with_an_old_certificate_makes_it_fail(lab: LabCluster) -> None:
    lab.ssh("cp1", IMPOSTOR)
    try:
        done = renew(lab, "--only", "etcd-peer", "--all")
    finally:
        lab.ssh("cp1", NO_IMPOSTOR)
    assert done.exit_code == ExitCode.PHASE
    assert ":2380 serves another certificate" in done.stderr
    assert "--accept-outage" in done.stderr
    assert [item["problem"] for item in done.data["items"]] == ["renewed on disk, but what runs still uses the old one"]
    again = renew(lab, "--within", "9d")  # without the impostor everything is well
    assert (again.exit_code, again.data["changed"]) == (ExitCode.OK, False)


def test_a_cluster_that_kprov_did_not_make_keeps_its_own_configuration(lab: LabCluster) -> None:
    """No record, no kubeadm.yaml, kubeadm where a package puts it: the configuration is the one in the cluster."""
    away = (
        "mv /etc/kubernetes/kubeadm.yaml /root/ && mv /usr/local/bin/kubeadm /usr/bin/ && mv /var/lib/kprov /root/kprov"
    )
    back = (
        "mv /root/kubeadm.yaml /etc/kubernetes/ && mv /usr/bin/kubeadm /usr/local/bin/ && mv /root/kprov /var/lib/kprov"
    )
    lab.ssh("cp1", away)
    try:
        done = renew(lab, "--only", "front-proxy-client", "--all")
    finally:
        lab.ssh("cp1", f"rm -r /var/lib/kprov; {back}")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert done.data["changed"]
    left = items(lab)["front-proxy-client"]["left_seconds"]
    assert 239 < left / 3600 <= 240, "kubeadm's default is a year"


def test_wrong_names_never_reach_a_node(lab: LabCluster, tmp_path: Path) -> None:
    assert "did you mean apiserver" in lab.certs("renew", "--only", "apiservr").data["hint"]
    assert lab.certs("renew", "--within", "soon").exit_code == ExitCode.INPUT
    assert lab.certs("renew", "--host", "nobody").exit_code == ExitCode.INPUT
