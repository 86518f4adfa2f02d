"""Kill -9 `kprov up` at each phase's boundary and inside it: the next `up` ends in the same verified cluster."""

from __future__ import annotations

import pytest

from kprov.phases.catalog import PHASES
from tests.e2e.cluster import LabCluster, another_inventory
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

# A phase with one task only is struck while that task runs.
TASKS_INSIDE = {"node": 1, "network": 1}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    """One first install, of every phase, that is killed again and again, each time later."""
    made = make_lab("kill", workers=1)
    labels = "{'example.com/kill': 'survived'}"
    return LabCluster(made.name, another_inventory(made, tmp_path_factory.mktemp("kill"), node_labels=labels))


@pytest.mark.parametrize("inside", [False, True], ids=["at-its-start", "inside"])
@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_killed_run_leaves_a_plan_that_knows(lab: LabCluster, phase: str, inside: bool) -> None:
    with RunningUp(lab, "--no-verify") as run:
        run.wait_for(phase, TASKS_INSIDE.get(phase, 2) if inside else 1)
        run.kill()
    plan = lab.kprov("plan")
    assert plan.exit_code == 2, plan.stderr
    assert phase in {step["phase"] for step in plan.data["steps"]}


def test_next_run_ends_in_a_verified_cluster(lab: LabCluster) -> None:
    done = lab.up()
    assert done.data["verify"]["checks"]
    assert all(check["ok"] for check in done.data["verify"]["checks"])
    assert lab.kprov("plan").exit_code == 0
