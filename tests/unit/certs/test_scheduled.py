"""What the timer runs on a node: its report, its metrics, its exit code, whom it tells."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.certs.node import scheduled
from kprov.certs.node.timer import CONFIG, RENEWAL, REPORT
from tests.unit.certs import pki
from tests.unit.certs.nodes import LOOPBACK, Node, serving
from tests.unit.certs.pki import NOW
from tests.unit.certs.test_layouts import kubespray, serving_etcd

METRICS = "/metrics/kprov.prom"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden certificates have a day of their own."""
    monkeypatch.setattr(scheduled, "time", SimpleNamespace(time=NOW.timestamp))  # not the clock of everybody else


def configure(node: Node, **changes: Any) -> None:
    config = {
        "address": LOOPBACK,
        "check": "daily",
        "cluster": "test",
        "host": "cp1",
        "warn_days": 30,
        "critical_days": 7,
        "hook": [],
        "textfile": METRICS,
    }
    node.put(CONFIG, json.dumps({**config, **changes}))


def report(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.path(REPORT).read_text())
    return found


def messages(node: Node) -> list[str]:
    """What the report finds."""
    return [one["message"] for one in report(node)["findings"]]


def test_a_healthy_node(plane: Node, servers: dict[str, Any]) -> None:
    configure(plane)
    plane.path(METRICS).parent.mkdir()
    assert scheduled.check() == 0
    found = report(plane)
    assert (found["worst"], found["findings"], found["unread"]) == ("ok", [], [])
    assert plane.path(REPORT).stat().st_mode & 0o777 == 0o600
    metrics = plane.path(METRICS).read_text()
    assert 'kprov_certs_findings{cluster="test",host="cp1",severity="critical"} 0.0' in metrics
    assert 'item="apiserver"' in metrics


def test_limits_decide_and_the_hook_hears_of_it(plane: Node, servers: dict[str, Any], tmp_path: Path) -> None:
    told, hook = tmp_path / "told", tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\ncat > {told}; echo "$KPROV_WORST $1" >> {told}\n')
    hook.chmod(0o700)
    configure(plane, warn_days=100_000, hook=[str(hook), "argument"])
    assert scheduled.check() == 0  # warnings alone do not fail the unit
    assert report(plane)["worst"] == "warning"
    assert told.read_text().splitlines()[-1] == "warning argument"
    configure(plane, warn_days=100_000, critical_days=100_000, hook=["/nowhere/hook"])
    assert scheduled.check() == scheduled.CRITICAL
    assert any("apiserver expires in" in one["message"] for one in report(plane)["findings"])
    assert not plane.path(METRICS).exists()  # nobody made the directory


def test_a_server_with_another_certificate_than_its_file(plane: Node) -> None:
    configure(plane)
    with serving(plane, pki.kubeadm()):
        plane.pair("/etc/kubernetes/pki/etcd/server.crt", pki.kubeadm().leaves["etcd/peer.crt"])
        assert scheduled.check() == scheduled.CRITICAL
    assert any("serves another etcd-server" in one["message"] for one in report(plane)["findings"])


@pytest.mark.parametrize("file", ["/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf.d/90-own.conf"])
def test_a_certificate_that_the_kubelet_was_given_counts_as_its_own(plane: Node, file: str) -> None:
    configure(plane)
    own = pki.issue(pki.kubeadm().ca, "cp1")
    plane.pair("/etc/own/kubelet.pem", own, "/etc/own/kubelet-key.pem")
    plane.pair("/var/lib/kubelet/pki/kubelet.crt", pki.issue(None, "ended long ago", days=-1, start=-10 * pki.DAY))
    port = f"port: {plane.ports['kubelet']}\n"
    plane.put("/var/lib/kubelet/config.yaml", f"tlsCertFile: /etc/nowhere.pem\n{port}")
    plane.put(file, f'tlsCertFile: "/etc/own/kubelet.pem"\n{port}')
    with serving(plane, pki.kubeadm()) as running:
        assert scheduled.check() == scheduled.CRITICAL
        where = f"{LOOPBACK}:{plane.ports['kubelet']}"
        assert messages(plane) == [f"{where} serves another kubelet-server than the file's"]
        running["kubelet"].shows = own
        scheduled.check()
        assert messages(plane) == []


@pytest.mark.parametrize(("peer", "said"), [("etcd/server.crt", 0), ("etcd/peer.crt", 1)])
def test_kubespray_s_etcd_has_one_certificate_for_clients_and_peers(node: Node, peer: str, said: int) -> None:
    made = kubespray(node, node.ports)
    configure(node)
    with serving_etcd(node, made.leaves["etcd/server.crt"], made.leaves[peer]):
        scheduled.check()
    there = f"{LOOPBACK}:{node.ports['peer']}"
    assert messages(node) == [f"{there} serves another etcd-server than the file's"] * said


def test_what_cannot_be_read_is_said(plane: Node) -> None:
    configure(plane)  # nothing runs
    assert scheduled.check() == scheduled.UNREAD
    assert any("kube-apiserver" in one for one in report(plane)["unread"])


def test_a_renewal_that_was_refused_is_critical_and_measured(plane: Node, servers: dict[str, Any]) -> None:
    configure(plane)
    plane.path(METRICS).parent.mkdir()
    plane.put(RENEWAL.config, '{"window": "Sun 02:00-04:00"}')
    ran = {"rehearsal": False, "result": "refused", "message": "etcd has no leader", "finished": "2026-06-07T02:10:00Z"}
    plane.put(RENEWAL.report, json.dumps(ran))
    assert scheduled.check() == scheduled.CRITICAL
    (finding,) = report(plane)["findings"]
    assert finding["message"] == "the renewal in the maintenance window refused: etcd has no leader"
    assert 'kprov_certs_renewal_timestamp_seconds{cluster="test",host="cp1",result="refused"} 1780798200.0' in (
        plane.path(METRICS).read_text()
    )


def test_without_settings_it_says_who_writes_them(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert scheduled.check() == scheduled.UNREAD
    assert "kprov certs schedule" in capsys.readouterr().err
