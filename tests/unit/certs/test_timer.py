"""The timer that nobody watches: each way in which it can be dead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kprov.certs.finding import Limits
from kprov.certs.item import Inventory, Machine
from kprov.certs.node import timer as node_timer
from kprov.certs.rules.timer import alive, renewed
from kprov.remote.node import commands, read

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RAN = {"Id": "kprov-certs-check.service", "LoadState": "loaded", "Result": "success", "ExecMainStatus": "0"}
ON = {"Id": "kprov-certs-check.timer", "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}


def look(hours: float = 20, **changes: Any) -> dict[str, Any]:
    """A live timer whose check ran so many hours ago."""
    finished = (NOW - timedelta(hours=hours)).isoformat()
    return {
        "when": "daily",
        "program": True,
        "report": {"finished": finished},
        "timer": ON,
        "service": RAN,
        **changes,
    }


def said(timer: dict[str, Any] | None) -> list[tuple[str, str]]:
    machine = Machine("cp1", control_plane=True, timer=timer)
    return [(one.code, one.severity) for one in alive(Inventory(NOW, (), (machine,)), Limits(1, 1))]


@pytest.mark.parametrize(
    "timer",
    [
        None,  # never scheduled
        look(),
        look(hours=36.9),
        look(hours=2, when="hourly"),
        look(service={**RAN, "Result": "exit-code", "ExecMainStatus": "3"}),  # it found something, and works
    ],
)
def test_alive(timer: dict[str, Any] | None) -> None:
    assert said(timer) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"program": False},
        {"timer": {}},
        {"timer": {**ON, "LoadState": "bad-setting"}},
        {"timer": {**ON, "ActiveState": "inactive"}},
        {"timer": {**ON, "UnitFileState": "disabled"}},
        {"service": {**RAN, "LoadState": "not-found"}},
        {"service": {**RAN, "Result": "exit-code", "ExecMainStatus": "203"}},
        {"service": {**RAN, "Result": "exit-code", "ExecMainStatus": "1"}},
    ],
)
def test_dead(changes: dict[str, Any]) -> None:
    assert said(look(**changes)) == [("timer-dead", "critical")]


@pytest.mark.parametrize("timer", [look(hours=37.1), look(hours=3, when="hourly"), look(report=None)])
def test_stale(timer: dict[str, Any]) -> None:
    assert said(timer) == [("timer-stale", "critical")]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(read, "ROOT", str(tmp_path))
    shown = "\n".join(f"{k}={v}" for k, v in ON.items()) + "\n\n" + "\n".join(f"{k}={v}" for k, v in RAN.items())
    monkeypatch.setattr(commands, "find", lambda name, first="": f"/bin/{name}")
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: shown + "\n")
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_node_without_traces_was_never_scheduled(node: Path) -> None:
    assert node_timer.look() is None
    put(node, node_timer.RECORD, '{"files": {}}')  # certificates_check: never
    put(node, node_timer.CONFIG, '{"check": "daily"}')  # edited by hand, so that it was left there
    assert node_timer.look() is None


def test_what_is_left_of_a_removed_check_counts(node: Path) -> None:
    put(node, node_timer.RECORD, '{"files": {"/usr/local/libexec/kprov/certs-check": {}}}')
    found = node_timer.look()
    assert found is not None
    assert said(found) == [("timer-dead", "critical")]


def test_a_scheduled_node(node: Path) -> None:
    put(node, node_timer.CONFIG, '{"check": "hourly"}')
    put(node, node_timer.CHECK.program, "#!")
    put(node, node_timer.REPORT, '{"finished": "2026-06-01T11:30:00+00:00"}')
    found = node_timer.look()
    assert found is not None
    assert (found["timer"], found["service"], found["when"]) == (ON, RAN, "hourly")
    assert said(found) == []


def renewal(hours: float = 20, result: str = "nothing", **changes: Any) -> dict[str, Any]:
    """A renewal whose last run ended so many hours ago."""
    ended = (NOW - timedelta(hours=hours)).isoformat()
    report = {"started": ended, "finished": ended, "rehearsal": False, "result": result, "message": "etcd is not well"}
    return {**look(), "when": "Sun 02:00-04:00", "report": {**report, **changes.pop("report", {})}, **changes}


def of_renewal(timer: dict[str, Any]) -> list[tuple[str, str]]:
    inventory = Inventory(NOW, (), (Machine("cp1", control_plane=True, renewal=timer),))
    return [(one.code, one.name) for one in (*alive(inventory, Limits(1, 1)), *renewed(inventory, Limits(1, 1)))]


@pytest.mark.parametrize(
    "timer",
    [
        renewal(),
        renewal(result="renewed", hours=7.9 * 24),
        renewal(when="02:00-04:00", hours=47),
        renewal(result="refused", report={"rehearsal": True}),  # not well when it was installed
        renewal(result="running", report={"finished": None}, service={**RAN, "ActiveState": "activating"}),
    ],
)
def test_a_renewal_that_is_well(timer: dict[str, Any]) -> None:
    assert of_renewal(timer) == []


@pytest.mark.parametrize(
    ("timer", "code"),
    [
        (renewal(hours=8.1 * 24), "timer-stale"),
        (renewal(when="02:00-04:00", hours=49), "timer-stale"),
        (renewal(timer={**ON, "UnitFileState": "disabled"}), "timer-dead"),
        (renewal(service={**RAN, "Result": "exit-code", "ExecMainStatus": "1"}), "timer-dead"),
    ],
)
def test_a_renewal_that_is_dead(timer: dict[str, Any], code: str) -> None:
    assert of_renewal(timer) == [(code, "kprov-certs-renew.timer")]


@pytest.mark.parametrize(
    "timer",
    [
        renewal(result="refused", service={**RAN, "ExecMainStatus": "3"}),
        renewal(result="failed"),
        renewal(result="running", report={"finished": None}, service={**RAN, "ActiveState": "failed"}),
    ],
)
def test_a_renewal_that_did_not_work(timer: dict[str, Any]) -> None:
    assert of_renewal(timer) == [("renewal-failed", "kprov-certs-renew.service")]


def test_a_renewal_has_units_and_files_of_its_own(node: Path) -> None:
    put(node, node_timer.RENEWAL.config, '{"window": "Sun 02:00-04:00"}')
    put(node, node_timer.RENEWAL.program, "#!")
    assert node_timer.look() is None
    found = node_timer.look(node_timer.RENEWAL)
    assert found and (found["when"], found["program"], found["report"]) == ("Sun 02:00-04:00", True, None)
