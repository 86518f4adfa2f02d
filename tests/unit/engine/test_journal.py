"""What a run leaves on the controller."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kprov.engine.events import Event
from kprov.engine.journal import KEPT_RUNS, Journal


@pytest.fixture(autouse=True)
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_events_are_on_disk_at_once_and_private() -> None:
    journal = Journal("prod", "up")
    journal.event(Event("ok", host="n1", changed=True))
    lines = (journal.directory / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"event": "ok", "host": "n1", "changed": True}
    assert journal.directory.stat().st_mode & 0o077 == 0
    journal.close()


def test_last_points_to_the_newest_run_and_old_ones_go() -> None:
    journals = [Journal("prod", "up") for _ in range(KEPT_RUNS + 3)]
    for journal in journals:
        journal.close()
    runs = journals[0].directory.parent
    assert (runs / "last").resolve() == journals[-1].directory
    assert len([p for p in runs.iterdir() if not p.is_symlink()]) == KEPT_RUNS
