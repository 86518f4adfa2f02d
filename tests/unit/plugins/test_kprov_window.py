"""When a maintenance window is open, by the node's own clock and time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ansible.module_utils.kprov_window import window_end


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(
    ("window", "now", "end"),
    [
        ("Sun 02:00-04:00", "2026-06-07 02:00:00", "2026-06-07 04:00:00"),
        ("Sun 02:00-04:00", "2026-06-07 03:59:59", "2026-06-07 04:00:00"),
        ("02:30-04:15", "2026-06-07 03:00:00", "2026-06-07 04:15:00"),
        ("Sat,Sun 22:30-01:00", "2026-06-06 23:00:00", "2026-06-07 01:00:00"),
        ("Sat,Sun 22:30-01:00", "2026-06-07 00:59:00", "2026-06-07 01:00:00"),
    ],
)
def test_open(zone: None, window: str, now: str, end: str) -> None:
    assert window_end(window, at(now)) == at(end)


@pytest.mark.parametrize(
    ("window", "now"),
    [
        ("Sun 02:00-04:00", "2026-06-07 01:59:59"),
        ("Sun 02:00-04:00", "2026-06-07 04:00:00"),
        ("Sat,Sun 22:30-01:00", "2026-06-07 01:00:00"),
        ("Sat,Sun 22:30-01:00", "2026-06-07 22:29:59"),
    ],
)
def test_closed(zone: None, window: str, now: str) -> None:
    assert window_end(window, at(now)) is None


def test_no_window() -> None:
    with pytest.raises(ValueError, match="is not a window"):
        window_end("at night", 0)
