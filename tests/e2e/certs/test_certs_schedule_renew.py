"""Control planes whose certificates live for minutes renew them by themselves, one at a time, in their window."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from kprov.certs.node.known import KUBEADM
from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster, another_inventory, wait_until
from tests.e2e.conftest import MakeLab

PLANES = ("cp1", "cp2", "cp3")
LIFE = "20m"
EDITED = ("cp1",)  # a file that somebody has changed is not removed
REPORT = "/var/lib/kprov/certs-renew.json"
CONFIG = "/etc/kprov/certs-renew.json"
HOOK = "/usr/local/bin/hook"
TOLD = "/run/told"
START = "systemctl start kprov-certs-renew.service"
LEASE = ("-n", "kube-system", "get", "lease", "kprov", "-o", "jsonpath={.spec.holderIdentity}")
API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"
AWAY = "/root/kube-apiserver.yaml"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    made = make_lab("window", control_planes=3, workers=0)
    inventory = another_inventory(made, tmp_path_factory.mktemp("window"), control_plane_certificate_validity=LIFE)
    cluster = LabCluster(made.name, inventory)
    cluster.up("--no-verify")
    return cluster


def serials(lab: LabCluster) -> dict[tuple[str, str], str]:
    """Of kubeadm's certificates; each must be in use."""
    found = lab.certs("check").data["items"]
    mine = [item for item in found if item["item"] in KUBEADM and item["host"]]
    assert all(item["served_equal"] in (True, None) for item in mine)
    return {(item["host"], item["item"]): item["serial"] for item in mine}


def codes(lab: LabCluster) -> set[str]:
    """Findings that are not about the short life of these certificates."""
    done = lab.certs("check", "--warn", "2m", "--crit", "1m")
    return {finding["code"] for finding in done.data["findings"]}


def report(lab: LabCluster, plane: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.ssh(plane, f"cat {REPORT}"))
    return found


def window(lab: LabCluster, begins: int, minutes: int) -> str:
    """One that begins so many minutes after the next full one, by the nodes' clock."""
    now = int(lab.ssh("cp1", "date +%s"))
    times = [60 * (now // 60 + 1 + begins + after) for after in (0, minutes)]
    first, last = (lab.ssh("cp1", f"date -d @{each} +%H:%M").strip() for each in times)
    return f"{first}-{last}"


def open_window(lab: LabCluster, plane: str, begins: int = -5, minutes: int = 60) -> None:
    lab.ssh(plane, f'sed -i \'s/"window": .*/"window": "{window(lab, begins, minutes)}",/\' {CONFIG}')


def test_the_timers_renew_everything_one_control_plane_at_a_time(lab: LabCluster) -> None:
    before = serials(lab)
    chosen = window(lab, begins=1, minutes=6)
    done = lab.certs("schedule", "--renew", "--window", chosen, "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert (done.data["renewal"], len(done.data["changed_hosts"])) == (chosen, 3)
    assert "the inventory says otherwise" in done.stderr
    for plane in PLANES:
        rehearsed = report(lab, plane)
        assert (rehearsed["rehearsal"], rehearsed["result"]) == (True, "rehearsed"), rehearsed["message"]
        assert "would renew" in rehearsed["message"]
    assert serials(lab) == before

    wait_until("three renewals", lambda: all(report(lab, plane)["result"] == "renewed" for plane in PLANES), 480)

    after = serials(lab)
    assert after.keys() == before.keys()
    assert not {key for key in after if after[key] == before[key]}
    reports = [report(lab, plane) for plane in PLANES]
    turns = sorted((datetime.fromisoformat(each["turn"]), datetime.fromisoformat(each["finished"])) for each in reports)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(turns)), turns
    print("turns", [f"{begin:%H:%M:%S}-{end:%H:%M:%S}" for begin, end in turns])
    assert all(each["proofs"]["apiserver"].startswith("served at ") for each in reports)
    assert lab.kubectl(*LEASE) == ""
    assert codes(lab) == set()


def test_a_second_window_finds_nothing_to_do(lab: LabCluster) -> None:
    lab.ssh("cp1", f'sed -i \'s/"within": .*/"within": "1m"/\' {CONFIG}')
    before = lab.snapshot("cp1")
    lab.ssh("cp1", START)
    assert report(lab, "cp1")["result"] == "nothing"
    now = lab.snapshot("cp1")["cp1"].splitlines()
    assert [line for line in before["cp1"].splitlines() if REPORT not in line] == [
        line for line in now if REPORT not in line
    ]
    lab.ssh("cp1", f'sed -i \'s/"within": .*/"within": "60d"/\' {CONFIG}')


def test_outside_of_its_window_it_changes_nothing_and_says_so(lab: LabCluster) -> None:
    before = serials(lab)
    open_window(lab, "cp1", begins=30, minutes=10)
    lab.ssh("cp1", f"{START} || true")
    assert report(lab, "cp1")["result"] == "refused"
    assert serials(lab) == before
    assert "renewal-failed" in codes(lab)


def test_with_another_control_plane_down_it_refuses_and_tells_the_hook(lab: LabCluster) -> None:
    before = serials(lab)
    lab.ssh("cp1", f"printf '#!/bin/sh\\ncat > {TOLD}\\n' > {HOOK}; chmod +x {HOOK}; rm -f {TOLD}")
    lab.ssh("cp1", f'sed -i \'s|"hook": .*|"hook": ["{HOOK}"],|\' /etc/kprov/certs-check.json')
    lab.ssh("cp3", f"mv {API_SERVER} {AWAY}")
    try:
        wait_until("no API server on cp3", lambda: not lab.ssh("cp3", "crictl ps -q --name kube-apiserver").strip(), 60)
        open_window(lab, "cp1", begins=-10, minutes=11)  # ends within two minutes
        lab.ssh("cp1", f"timeout 150 {START} || true")
    finally:
        lab.ssh("cp3", f"mv {AWAY} {API_SERVER}")
    refused = report(lab, "cp1")
    assert refused["result"] == "refused"
    assert "API server" in refused["message"]
    assert lab.ssh("cp1", "systemctl is-failed kprov-certs-renew.service", check=False).strip() == "failed"
    wait_until("the hook", lambda: "maintenance window refused" in lab.ssh("cp1", f"cat {TOLD}", check=False), 30)
    wait_until("three API servers", lambda: bool(lab.ssh("cp3", "crictl ps -q --name kube-apiserver").strip()), 60)
    assert serials(lab) == before
    assert lab.kubectl(*LEASE) == ""


def test_what_was_killed_is_noticed_and_the_next_run_finishes_it(lab: LabCluster) -> None:
    before = serials(lab)
    open_window(lab, "cp1")
    log = "grep -c 'kubeadm certs renew' /var/log/kprov/certs_renew.log"
    written = int(lab.ssh("cp1", log))
    lab.ssh("cp1", "systemctl start --no-block kprov-certs-renew.service")
    wait_until("new files", lambda: int(lab.ssh("cp1", log)) == written + len(KUBEADM), 60)
    lab.ssh("cp1", "systemctl kill -s KILL kprov-certs-renew.service")
    wait_until(
        "a dead run", lambda: "failed" in lab.ssh("cp1", "systemctl is-active kprov-certs-renew", check=False), 30
    )
    assert {"renewal-failed", "timer-dead"} <= codes(lab)
    lab.ssh("cp1", f'sed -i \'s/"within": .*/"within": "1m"/\' {CONFIG}')  # the new files are not due any more
    lab.ssh("cp1", START)
    finished = report(lab, "cp1")
    assert (finished["result"], finished["renewed"]) == ("renewed", {}), finished["message"]
    assert codes(lab) == set()
    after = serials(lab)
    host = lab.node("cp1")
    assert not {key for key in after if key[0] == host and after[key] == before[key]}
    assert all(after[key] == before[key] for key in after if key[0] != host)


def test_a_dead_timer_is_critical_and_off_is_off(lab: LabCluster) -> None:
    lab.ssh("cp2", "systemctl disable --now -q kprov-certs-renew.timer")
    done = lab.certs("check")
    assert done.exit_code == ExitCode.CRITICAL
    dead = [(one["host"], one["name"]) for one in done.data["findings"] if one["code"] == "timer-dead"]
    assert dead == [(lab.node("cp2"), "kprov-certs-renew.timer")]
    off = lab.certs("schedule", "--yes")  # as the inventory says
    assert off.exit_code == ExitCode.OK, off.stderr
    assert off.data["renewal"] is None
    for plane in PLANES:
        left = lab.ssh(plane, f"ls {CONFIG} /usr/local/libexec/kprov/certs-renew 2>/dev/null", check=False)
        assert left == (f"{CONFIG}\n" if plane in EDITED else "")
    assert "timer-dead" not in codes(lab)
