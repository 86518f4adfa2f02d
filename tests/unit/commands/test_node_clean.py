"""`kprov node clean`: what is asked, refused, run and reported. The node is a recorded one, the run an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import kprov.commands.node_clean as command
import kprov.engine.operation as engine
from kprov.cli.app import app
from kprov.commands.context import Observed
from kprov.engine.events import Event
from kprov.engine.operation import Operation
from kprov.engine.run import Outcome
from kprov.remote.state import Unreachable
from tests.unit.factories import converged_states, make_spec
from tests.unit.node_clean import recording
from tests.unit.node_clean.conftest import recorded  # noqa: F401 - a fixture

FREE = {"mount_point": "/", "device": "1", "free": 100, "size": 1000}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Operations that were started. Each removes what it is told to, but for the images."""
    started: list[Operation] = []

    def operate(operation: Operation, on_event: Any) -> tuple[Outcome, Path]:
        started.append(operation)
        orders = operation.variables["node_clean"]["orders"]
        report = {
            "removed": [one["id"] for one in orders if one["kind"] != "image"],
            "skipped": [{**one, "why": "container x uses it now"} for one in orders if one["kind"] == "image"][:1],
            "failed": [{**one, "why": "no answer"} for one in orders if one["kind"] == "image"][1:],
            "places": {"/var/lib/containerd": {"removed": 9 * 2**20, "free_before": 100, "free_after": 200}},
        }
        on_event(Event("ok", host="w1", report=report))
        return Outcome(calls={"w1": 1}), Path("/log")

    monkeypatch.setattr(engine, "operate", operate)
    return started


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, runs: list[Operation]) -> dict[str, Any]:
    """Changes of what the node says."""
    spec = make_spec(1, 2)
    changes: dict[str, Any] = {"filesystems": {"/var/lib/containerd": FREE}}
    monkeypatch.setattr(command, "observe", lambda options: Observed(spec, converged_states(spec), ()))
    monkeypatch.setattr(command, "_look", lambda options, host: recording.node(**changes))
    return changes


def clean(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["node", "clean", *arguments])


def envelope(*arguments: str) -> dict[str, Any]:
    result = clean(*arguments, "-o", "json")
    parsed: dict[str, Any] = json.loads(result.stdout)
    assert parsed["exit_code"] == result.exit_code
    return parsed


def test_help_says_how_it_is_typed_and_what_it_leaves_alone() -> None:
    text = CliRunner().invoke(app, ["node", "clean", "--help"]).stdout
    assert "Example: kprov node clean w1 inventory.ini --dry-run" in text
    assert "never touched" in text
    assert "node" in CliRunner().invoke(app, ["--help"]).stdout


def test_a_dry_run_lists_and_starts_nothing(found: dict[str, Any], runs: list[Operation]) -> None:
    result = clean("w1", "--dry-run")
    assert result.exit_code == 2, result.stderr
    assert runs == []
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "image example.org/unused:2 1.9 MiB no container uses it" in lines
    assert "dead containers 2 60.0 KiB /var/lib/containerd" in lines
    assert lines[-1].startswith("w1: nothing was removed (--dry-run), 5 things, at least 3.0 MiB")


def test_a_dry_run_for_machines(found: dict[str, Any]) -> None:
    said = envelope("w1", "--dry-run")
    assert (said["kind"], said["data"]["node"], said["data"]["dry_run"]) == ("kprov.node.clean/v1", "w1", True)
    assert said["data"]["bytes"] == sum(one["bytes"] for one in said["data"]["found"])
    assert set(said["data"]["found"][0]) == {"kind", "id", "name", "why", "bytes", "path"}
    (file_system,) = said["data"]["filesystems"]
    assert (file_system["free"], file_system["listed"]) == (100, said["data"]["bytes"])


def test_without_a_terminal_somebody_says_yes(found: dict[str, Any], runs: list[Operation]) -> None:
    result = clean("w1")
    assert result.exit_code == 10
    assert "no terminal" in result.stderr
    assert "unused images" in result.stderr  # announced all the same
    assert runs == []


def test_what_was_announced_is_ordered_and_the_outcome_told(found: dict[str, Any], runs: list[Operation]) -> None:
    said = envelope("w1", "--yes")
    assert said["exit_code"] == 15  # of two images one failed
    (operation,) = runs
    assert (operation.playbooks, operation.makes_room) == (["node_clean"], True)
    wanted = operation.variables["node_clean"]
    assert operation.variables["node_clean_host"] == "w1"
    assert [one["id"] for one in wanted["orders"]] == [one["id"] for one in said["data"]["found"]]
    assert (wanted["root"], wanted["places"]) == ("/var/lib/containerd", [])
    assert said["data"]["message"] == (
        "removed 9.0 MiB, listed: at least 3.0 MiB; 1 thing left, because in use or gone"
    )
    (problem,) = said["problems"]
    assert (problem["code"], problem["message"]) == ("not-removed", "image example.org/unused:2: no answer")


def test_the_outcome_for_people(found: dict[str, Any]) -> None:
    result = clean("w1", "--yes")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "/var/lib/containerd 3.0 MiB 9.0 MiB 100 B 200 B /" in lines
    assert "left: image example.org/unused:1: container x uses it now" in lines
    assert "example.org/unused:2: no answer" in result.stderr


def test_journals_alone_do_not_ask_the_runtime(found: dict[str, Any], runs: list[Operation]) -> None:
    journal = {"path": "/var/log/journal/0123/system@1.journal", "bytes": 2**20, "inode": 5, "written": 1.0}
    found.update(containers=[], sandboxes=[], images=[], archived=[journal])
    assert envelope("w1", "--yes")["data"]["message"] == "nothing to remove"
    assert envelope("w1", "--yes", "--keep-journal", "1Mi")["data"]["message"] == "nothing to remove"
    assert runs == []
    envelope("w1", "--yes", "--keep-journal", "0")
    wanted = runs[0].variables["node_clean"]
    assert (wanted["root"], wanted["places"]) == ("", ["/var/log/journal/0123"])


def test_nothing_to_do_starts_nothing(found: dict[str, Any], runs: list[Operation]) -> None:
    found.update(containers=[], sandboxes=[], images=[])
    result = clean("w1", "--yes")
    assert (result.exit_code, result.stdout) == (0, "w1: nothing to remove\n")
    assert runs == []


def test_a_runtime_that_does_not_answer_is_not_taken_for_an_empty_one(found: dict[str, Any]) -> None:
    found.update(containers=[], sandboxes=[], images=[], errors=["containers: OSError: no answer"])
    result = clean("w1", "--yes")
    assert result.exit_code == 4
    assert "not everything could be read: containers: OSError: no answer" in result.stderr
    assert "nothing found to remove in what could be read" in result.stdout


def test_a_wrong_name_gets_a_suggestion(found: dict[str, Any]) -> None:
    result = clean("w11", "--yes")
    assert result.exit_code == 10
    assert "NODE w11: the inventory has no such host" in result.stderr
    assert "did you mean w1?" in result.stderr


def test_arguments_the_wrong_way_round_are_named(found: dict[str, Any], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("")
    result = clean(str(inventory), "w1")
    assert result.exit_code == 10
    assert "NODE comes first" in result.stderr


@pytest.mark.parametrize("size", ["much", "-1", "10%", "1 GB"])
def test_an_amount_that_is_none_is_refused(found: dict[str, Any], size: str) -> None:
    result = clean("w1", f"--keep-journal={size}")
    assert result.exit_code == 10
    assert f"--keep-journal {size}: not an amount of bytes" in result.stderr


def test_a_worker_is_cleaned_without_a_control_plane(
    found: dict[str, Any], runs: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(1, 2)
    states = {**converged_states(spec), "cp1": Unreachable("timeout", "no answer", None)}
    monkeypatch.setattr(command, "observe", lambda options: Observed(spec, states, ()))
    said = envelope("w1", "--yes")
    assert len(runs) == 1
    assert "no-lock" in [problem["code"] for problem in said["problems"]]
