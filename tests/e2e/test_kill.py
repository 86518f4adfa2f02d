"""Kill -9 `kprov up` at each phase's boundary and inside it: the next `up` ends in the same verified cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kprov.phases.catalog import PHASES
from kprov.phases.phase import Phase, Scope
from tests.e2e.cluster import LabCluster, another_inventory
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

# Returns when a module of the phase has marked it as begun, on the node, in a run that starts after this.
BEGINS = """
mark=/var/lib/kprov/phases/{}.dirty
before=$(stat -c %z $mark 2>/dev/null)
until now=$(stat -c %z $mark 2>/dev/null) && [ "$now" != "$before" ]; do sleep 0.02; done
"""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    """One first install, of every phase, that is killed again and again, each time later."""
    made = make_lab("kill", workers=1)
    labels = "{'example.com/kill': 'survived'}"
    return LabCluster(made.name, another_inventory(made, tmp_path_factory.mktemp("kill"), node_labels=labels))


@pytest.mark.parametrize("inside", [False, True], ids=["at-its-start", "inside"])
@pytest.mark.parametrize("phase", PHASES, ids=[phase.name for phase in PHASES])
def test_killed_run_leaves_a_plan_that_knows(lab: LabCluster, phase: Phase, inside: bool) -> None:
    node = "w1" if phase.name == "worker" else "cp1"
    with ThreadPoolExecutor(1) as pool, RunningUp(lab, "--no-verify") as run:
        marked = pool.submit(lab.ssh, node, BEGINS.format(phase.name)) if inside and phase.scope is Scope.NODE else None
        run.wait_for(phase.name)  # phases of the cluster have one short task and are struck while it runs
        if marked:
            marked.result()
        run.kill()
    plan = lab.kprov("plan")
    assert plan.exit_code == 2, plan.stderr
    left = {step["phase"] for step in plan.data["steps"]}
    assert left <= {later.name for later in PHASES[PHASES.index(phase) :]}
    # A module that has begun goes on without kprov, and may be the only one of its phase.
    assert marked or phase.name in left


def test_next_run_ends_in_a_verified_cluster(lab: LabCluster) -> None:
    lab.up("--no-verify")
    # Verified by a run that does everything once more: a module that outlived the last kill may have left nothing
    # to do, and then `up` has nothing to verify.
    done = lab.up("--verify-all")
    assert done.data["verify"]["checks"]
    assert all(check["ok"] for check in done.data["verify"]["checks"])
    assert lab.kprov("plan").exit_code == 0
