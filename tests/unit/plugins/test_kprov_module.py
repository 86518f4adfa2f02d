"""The last module call of a role writes the phase's record; the others, and a check, write none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import kprov_module
from ansible.module_utils.kprov_state import PhaseRecord

RECORD = {"cluster": "demo", "fingerprints": {"os": {"os_swap": "off"}, "kubelet": {"x": "1"}}}
NOTHING = {"changed": False}


def call(record: dict[str, Any] | None, check_mode: bool = False) -> dict[str, Any]:
    """A module that has reported a unit, as it ends."""
    PhaseRecord.open("os", check_mode, part="kprov_units").add_units({"chrony.service": {"start_if": None}})
    module = SimpleNamespace(params={"phase": "os", "record": record}, check_mode=check_mode, _name="kprov_units")
    return kprov_module.end_phase(module, NOTHING)


@pytest.fixture
def phases(node: Path) -> Path:
    return node / "var/lib/kprov/phases"


def test_call_that_is_not_the_last_leaves_the_phase_dirty(phases: Path) -> None:
    assert call(None) == NOTHING
    assert [path.name for path in phases.iterdir()] == ["os.dirty"]


def test_last_call_records_the_phase_with_its_own_inputs(phases: Path) -> None:
    assert call(RECORD) == {"changed": True, "recorded": True}
    assert [path.name for path in phases.iterdir()] == ["os.json"]
    written = json.loads((phases / "os.json").read_text())
    assert (written["cluster"], written["fingerprint"]) == ("demo", {"os_swap": "off"})
    assert list(written["units"]) == ["chrony.service"]
    assert call(RECORD) == {"changed": False, "recorded": True}


def test_run_by_hand_records_no_inputs(phases: Path) -> None:
    call({"cluster": "demo", "fingerprints": {}})
    assert json.loads((phases / "os.json").read_text())["fingerprint"] is None


def test_check_writes_nothing(phases: Path) -> None:
    assert call(RECORD, check_mode=True) == {"changed": False, "recorded": True}
    assert not phases.exists()


class Failed(Exception):
    """fail_json was called."""


@pytest.fixture
def module() -> SimpleNamespace:
    def fail_json(msg: str) -> None:
        raise Failed(msg)

    return SimpleNamespace(check_mode=False, fail_json=fail_json)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("not a number"), "not a number"),
        (OSError(28, "No space left on device", "/etc/x"), "/etc/x: No space left on device"),
        (OSError("odd"), "node: odd"),
    ],
)
def test_expected_errors_end_the_module(node: Path, module: Any, error: Exception, message: str) -> None:
    with pytest.raises(Failed) as failed, kprov_module.locked(module, ValueError):
        raise error
    assert str(failed.value) == message


def test_what_was_done_before_is_said(node: Path, module: Any) -> None:
    done: list[str] = []
    late = pytest.raises(Failed, match=r"^late \(before that: renewed a, renewed b\)$")
    with late, kprov_module.locked(module, ValueError, before=done):
        done += ["renewed a", "renewed b"]
        raise ValueError("late")


def test_other_errors_are_bugs_and_stay_so(node: Path, module: Any) -> None:
    with pytest.raises(KeyError), kprov_module.locked(module, ValueError):
        raise KeyError("x")


def test_lock_is_held_meanwhile_and_free_afterwards(node: Path, module: Any) -> None:
    with kprov_module.locked(module) as lock, pytest.raises(Failed, match="has been changing this node"):
        assert lock is not None
        with kprov_module.locked(module, deadline=0):
            pass
    with kprov_module.locked(module, deadline=0):
        pass
