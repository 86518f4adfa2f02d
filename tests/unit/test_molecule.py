"""Each phase's role has a Molecule scenario that reaches it through the phases before it; every scenario runs in CI."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kprov.phases.catalog import PHASES

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
NAMES = [phase.name for phase in PHASES]
OPERATIONS = {"certs_renew", "certs_rotate_ca"}  # roles of commands that do one thing once; they are tested end to end


def test_each_role_of_a_phase_has_a_scenario() -> None:
    roles = {path.parent.parent.name for path in (ROOT / "roles").glob("*/tasks/main.yml")}
    roles -= OPERATIONS
    assert roles <= SCENARIOS, f"molecule/<role>/ is missing for {sorted(roles - SCENARIOS)}; docs/how-to/molecule.md"


def test_each_scenario_runs_in_the_workflow() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert set(workflow["jobs"]["molecule"]["strategy"]["matrix"]["scenario"]) == SCENARIOS


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_each_scenario_makes_drift_and_looks_at_the_live_system(scenario: str) -> None:
    assert (ROOT / "molecule" / scenario / "drift.yml").is_file()
    assert (ROOT / "molecule" / scenario / "test_live.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_prepare_runs_the_phases_before_this_one_in_order(name: str) -> None:
    """kubelet and network are tested where a control plane runs."""
    before = playbooks(ROOT / "molecule" / name / _prepare(name))
    assert before == NAMES[: len(before)]
    assert len(before) >= min(NAMES.index(name), NAMES.index("worker"))


def _prepare(name: str) -> str:
    config = yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text())
    return str(config["ansible"]["playbooks"].get("prepare", "prepare.yml"))


def playbooks(prepare: Path) -> list[str]:
    """Phases whose playbooks a prepare.yml runs, in order; none when there is no such file."""
    if not prepare.is_file():
        return []
    found: list[str] = []
    for play in yaml.safe_load(prepare.read_text()):
        imported = prepare.parent / play["ansible.builtin.import_playbook"]
        found += playbooks(imported) if imported.name == "prepare.yml" else [imported.stem]
    return found
