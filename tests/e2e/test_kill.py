"""Kill -9 `kprov up` at each phase's boundary and inside each phase: the next `up` ends in the same verified cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kprov.engine.paths import cluster_home
from kprov.phases.catalog import PHASES

from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

DEADLINE = 300.0  # seconds for a phase to be reached


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    return make_lab("kill", workers=1)


@pytest.mark.parametrize("inside", [False, True], ids=["at-boundary", "inside"])
@pytest.mark.parametrize("phase", [p.name for p in PHASES])
def test_killed_run_is_resumed(lab: LabCluster, phase: str, inside: bool) -> None:
    """The cluster grows from kill to kill: each test kills a later point of the same first install.

    A phase that an earlier run has finished is made to run again by --verify-all, so that every point is really reached.
    """
    reached = _kill_when(lab, phase, inside)
    assert reached, f"the run ended before {phase}"
    plan = lab.kprov("plan")
    assert plan.exit_code in {0, 2}, plan.stderr


def test_next_run_ends_in_a_verified_cluster(lab: LabCluster) -> None:
    lab.up()
    assert lab.kprov("verify").exit_code == 0
    assert lab.kprov("plan").exit_code == 0


def _kill_when(lab: LabCluster, phase: str, inside: bool) -> bool:
    """Start `kprov up`, kill it when the journal says that the phase began (a second task of it: inside). False: never."""
    argv = [sys.executable, "-m", "kprov", "up", str(lab.inventory), "--yes", "--verify-all", "--no-verify"]
    run = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = cluster_home(lab.name) / "runs"
    before = set(runs.iterdir()) if runs.exists() else set()
    end = time.monotonic() + DEADLINE
    while run.poll() is None and time.monotonic() < end:
        if _began(_new_journal(runs, before), phase, inside):
            os.kill(run.pid, signal.SIGKILL)
            run.wait(timeout=30)
            return True
        time.sleep(0.02)  # poll interval of the journal
    run.kill()
    return False


def _new_journal(runs: Path, before: set[Path]) -> Path | None:
    new = [p for p in runs.iterdir() if p not in before and p.is_dir() and not p.is_symlink()] if runs.exists() else []
    return new[0] / "events.jsonl" if new else None


def _began(journal: Path | None, phase: str, inside: bool) -> bool:
    if journal is None or not journal.exists():
        return False
    events = []
    for line in journal.read_text().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    tasks = {e.get("task") for e in events if e["event"] == "start" and e.get("phase") == phase}
    return len(tasks) >= (2 if inside else 1)
