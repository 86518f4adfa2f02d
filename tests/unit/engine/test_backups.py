"""Backups on the controller: private, and not for ever."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kprov.engine.backups import backup_home, keep


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return backup_home("demo")


def fetched(home: Path, host: str, time: str, size: int = 3) -> Path:
    path = home / host / time
    path.mkdir(parents=True)
    path.chmod(0o755)
    (path / "etcd.db").write_bytes(b"x" * size)
    (path / "etcd.db").chmod(0o644)
    return path


def test_everything_is_for_its_owner_alone(home: Path) -> None:
    fetched(home, "cp1", "20260101T000000Z")
    keep(home, 5)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home, *home.rglob("*"))}
    assert modes == {0o700, 0o600}


def test_the_newest_of_each_host_stay(home: Path) -> None:
    for day in range(1, 5):
        fetched(home, "cp1", f"2026010{day}T000000Z", size=day)
    fetched(home, "cp2", "20250101T000000Z")
    assert keep(home, 2) == {"cp1": 4, "cp2": 3}
    assert sorted(path.name for path in (home / "cp1").iterdir()) == ["20260103T000000Z", "20260104T000000Z"]
    assert (home / "cp2/20250101T000000Z").exists()


def test_without_backups_there_is_nothing_to_say(home: Path) -> None:
    assert keep(home, 5) == {}
