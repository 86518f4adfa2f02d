"""One operation at a time per cluster on this controller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kprov.engine.lock import controller_lock
from kprov.errors import ExitCode, LockedError


@pytest.fixture(autouse=True)
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


HOLD = """
import sys
from kprov.engine.lock import controller_lock
with controller_lock("prod", "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_process_is_told_who_and_since_when() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match=rf"`kprov up` \(pid {other.pid}\) since 20") as caught,
            controller_lock("prod", "up"),
        ):
            pass
        assert caught.value.exit_code is ExitCode.LOCKED
        other.kill()
    with controller_lock("prod", "up"):  # a killed holder leaves nothing behind
        pass


def test_other_clusters_are_free() -> None:
    with controller_lock("prod", "up"), controller_lock("test", "up"):
        pass
