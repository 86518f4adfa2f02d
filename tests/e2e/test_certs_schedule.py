"""A cluster that plain kubeadm has made: its nodes watch their own certificates, and a dead timer is noticed."""

from __future__ import annotations

import json

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster, change
from tests.e2e.conftest import MakeLab

KUBEADM = (
    "kubeadm init --node-name $(hostname) --kubernetes-version $(kubeadm version -o short)"
    " --ignore-preflight-errors=SystemVerification --skip-phases=addon && rm -r /var/lib/kprov"
)
HOOK = "/usr/local/bin/hook"
UNITS = "/etc/systemd/system/kprov-certs-check"
PROGRAM = "/usr/local/libexec/kprov/certs-check"
KUBERNETES = "find /etc/kubernetes /var/lib/kubelet/pki -type f -exec sha256sum {} + | sort; crictl ps -q | sort"
RUN = "systemctl start kprov-certs-check.service || true"


@pytest.fixture(scope="module")
def foreign(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("foreign", workers=0)
    lab.prepare()
    lab.ssh("cp1", KUBEADM)
    return lab


def codes(lab: LabCluster) -> tuple[int, set[str]]:
    done = lab.certs("check")
    return done.exit_code, {finding["code"] for finding in done.data["findings"]}


def test_the_check_needs_nothing_of_kprov(foreign: LabCluster) -> None:
    done = foreign.certs("check")
    assert (done.exit_code, done.data["findings"], done.data["unread"]) == (ExitCode.OK, [], [])
    listed = json.loads(foreign.ssh("cp1", "kubeadm certs check-expiration -o json"))
    expected = {entry["name"] for entry in [*listed["certificates"], *listed["certificateAuthorities"]]}
    assert expected <= {item["item"] for item in done.data["items"]}


def test_schedule_installs_a_timer_and_touches_nothing_else(foreign: LabCluster) -> None:
    before = foreign.ssh("cp1", KUBERNETES)
    done = foreign.certs("schedule", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert done.data["changed_hosts"] == [foreign.node("cp1")]
    assert str(foreign.inventory) in done.data["cron"]
    assert foreign.ssh("cp1", KUBERNETES) == before
    assert foreign.ssh("cp1", "systemctl is-active kprov-certs-check.timer").strip() == "active"
    report = json.loads(foreign.ssh("cp1", "cat /var/lib/kprov/certs-check.json"))
    assert report["worst"] == "ok"
    assert codes(foreign) == (ExitCode.OK, set())
    again = foreign.certs("schedule", "--yes")
    assert (again.data["changed_hosts"], again.data["module_calls"]) == ([], {})


@pytest.mark.parametrize(
    "damage",
    [
        "systemctl disable --now -q kprov-certs-check.timer",
        f"sed -i s/ExecStart=/ExecStart=nothing/ {UNITS}.service; systemctl daemon-reload; {RUN}",
        f"rm {PROGRAM}",
        f"rm -r /usr/local/lib/kprov; {RUN}",
        f"rm {UNITS}.timer; systemctl daemon-reload; systemctl stop kprov-certs-check.timer 2>&1 || true",
    ],
    ids=["timer disabled", "unit broken", "program missing", "library missing", "timer missing"],
)
def test_a_dead_timer_is_critical_and_schedule_repairs_it(foreign: LabCluster, damage: str) -> None:
    foreign.ssh("cp1", damage)
    assert codes(foreign) == (ExitCode.CRITICAL, {"timer-dead"})
    repaired = foreign.certs("schedule", "--yes")
    assert repaired.exit_code == ExitCode.OK, repaired.stderr
    assert codes(foreign) == (ExitCode.OK, set())


def test_a_timer_that_has_not_run_for_days_is_critical(foreign: LabCluster) -> None:
    report = "/var/lib/kprov/certs-check.json"
    foreign.ssh("cp1", f'sed -i s/"finished.*"/\'finished": "2026-01-01T00:00:00+00:00",\'/ {report}')
    assert codes(foreign) == (ExitCode.CRITICAL, {"timer-stale"})
    foreign.ssh("cp1", RUN)
    assert codes(foreign) == (ExitCode.OK, set())


def test_the_node_itself_notices_a_missing_restart_and_tells_the_hook(foreign: LabCluster) -> None:
    hook = "#!/bin/sh\\ncat > /run/told; echo $KPROV_WORST >> /run/told\\n"
    foreign.ssh("cp1", f"printf '{hook}' > {HOOK}; chmod +x {HOOK}")
    config = "/etc/kprov/certs-check.json"
    foreign.ssh("cp1", f'sed -i \'s|"hook": .*|"hook": ["{HOOK}"],|\' {config}; rm -f /run/told')
    foreign.ssh("cp1", f"kubeadm certs renew scheduler.conf; {RUN}")
    assert foreign.ssh("cp1", "tail -n 1 /run/told").strip() == "critical"
    assert "kube-scheduler was started before" in foreign.ssh("cp1", "cat /run/told")
    assert foreign.ssh("cp1", "systemctl is-failed kprov-certs-check.service", check=False).strip() == "failed"
    exit_code, found = codes(foreign)
    assert (exit_code, found) == (ExitCode.CRITICAL, {"loaded-before-change"})


def test_never_removes_it(foreign: LabCluster) -> None:
    change(foreign, certificates_check="never")
    done = foreign.certs("schedule", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    left = foreign.ssh("cp1", f"ls {UNITS}.timer {PROGRAM} /usr/local/lib/kprov 2>/dev/null", check=False)
    assert left == ""
    assert "timer-dead" not in codes(foreign)[1]
