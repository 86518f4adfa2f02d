"""One concept, one name: a phase is found under the same name everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kprov.content import content_root
from kprov.phases.catalog import PHASES
from kprov.phases.inputs import SOURCES
from kprov.phases.phase import Phase, Scope
from kprov.spec.declarations import declarations

ROOT = content_root()
OPERATIONS = {"certs_renew", "certs_rotate_ca"}  # roles of commands other than `up`
each_phase = pytest.mark.parametrize("phase", PHASES, ids=lambda p: p.name)


@each_phase
def test_phase_has_a_playbook_that_runs_its_role_on_its_group(phase: Phase) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / f"{phase.name}.yml").read_text())
    assert play["hosts"].startswith("{{ " + phase.group)
    assert [role["role"] for role in play["roles"]] == [phase.name]
    assert play["name"] == phase.title


@each_phase
def test_phase_has_a_role_with_declared_variables(phase: Phase) -> None:
    role = ROOT / "roles" / phase.name
    assert (role / "tasks" / "main.yml").is_file()
    assert (role / "meta" / "argument_specs.yml").is_file()
    assert (role / "README.md").is_file()


@each_phase
def test_phase_has_a_page(phase: Phase) -> None:
    assert Path("docs/phases", f"{phase.name}.md").is_file()


def last_calls(file: Path) -> list[dict[str, Any]]:
    """Arguments of the module calls that a task file can end with, through what it includes; blocks count whole."""
    tasks = yaml.safe_load(file.read_text())
    tasks = [inner for task in tasks for inner in task.get("block", [task])]
    found: list[dict[str, Any]] = []
    for task in reversed(tasks):
        if included := task.get("ansible.builtin.include_tasks"):
            for path in file.parent.glob(re.sub(r"{{.*?}}", "*", included)):
                found += last_calls(path)
            if "when" not in task:
                break
        elif included := task.get("ansible.builtin.include_role"):
            found += last_calls(ROOT / "roles" / included["name"] / "tasks" / f"{included['tasks_from']}.yml")
        elif found:  # includes, each for some of the hosts, come after it
            break
        else:
            found += [value for value in task.values() if isinstance(value, dict) and "phase" in value]
    return found


@each_phase
def test_phase_is_recorded_by_its_last_module_call(phase: Phase) -> None:
    """Either by the argument `record`, or by a module that records what it does through the API."""
    last = last_calls(ROOT / "roles" / phase.name / "tasks" / "main.yml")
    assert last
    for arguments in last:
        assert arguments["phase"] in (phase.name, "{{ cluster_join.phase }}")
        if phase.scope is not Scope.CLUSTER:  # those are recorded in the cluster
            assert arguments["record"] == "{{ phase_record }}"


def mentions(text: str, variable: str) -> bool:
    """True if Jinja or a condition uses the variable (not: a key of that name, a word in a comment)."""
    code = "\n".join(line.split("#", 1)[0] for line in text.splitlines())
    return re.search(rf"(?<![\w.'\"-]){variable}(?![\w:'\"=-])", code) is not None


@each_phase
def test_phase_declares_every_shared_variable_that_its_role_uses(phase: Phase) -> None:
    shared = {d.name for d in declarations().of_role("cluster")}
    text = "".join(
        path.read_text()
        for part in ("tasks", "vars", "templates")
        for path in (ROOT / "roles" / phase.name / part).rglob("*")
        if path.is_file()
    )
    derived = yaml.safe_load((ROOT / "roles" / "cluster" / "vars" / "main.yml").read_text())
    del derived["phase_record"]  # what is recorded, not what is read
    text += "".join(str(value) for name, value in derived.items() if mentions(text, name))
    used = {name for name in shared - SOURCES if mentions(text, name)}
    assert used <= set(phase.reads), f"{phase.name} uses {used - set(phase.reads)} without declaring it in the catalog"


def test_site_playbook_is_the_catalog() -> None:
    site = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    assert [p["ansible.builtin.import_playbook"] for p in site] == [f"{p.name}.yml" for p in PHASES]
    assert [p["name"] for p in site] == [p.title for p in PHASES]


def test_no_role_is_outside_the_catalog() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    assert roles == {p.name for p in PHASES} | {"cluster"} | OPERATIONS
