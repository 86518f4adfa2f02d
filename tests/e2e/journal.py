"""A kprov command in the background; its journal tells a test when to strike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kprov.engine.paths import cluster_home
from tests.e2e.cluster import Completed, LabCluster

DEADLINE = 300.0  # seconds
POLL_SECONDS = 0.02


class RunningUp:
    """`kprov up --yes -o json` as a process; leaving the context kills what still runs. verb: another command."""

    def __init__(self, lab: LabCluster, *arguments: str, verb: tuple[str, ...] = ("up",)) -> None:
        self._runs = cluster_home(lab.name) / "runs"
        self._before = self._present()
        argv = [sys.executable, "-m", "kprov", *verb, str(lab.inventory), "--yes", "-o", "json", *arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def __enter__(self) -> RunningUp:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        """Process id of kprov."""
        return self._process.pid

    def wait_for(self, phase: str, tasks: int = 1) -> None:
        """Return as soon as that many tasks of the phase have started."""
        self._wait(phase, lambda started: len({e.get("task") for e in started if e.get("phase") == phase}) >= tasks)

    def wait_for_task(self, title: str) -> None:
        """Return as soon as the task has started."""
        self._wait(title, lambda started: any(e.get("task") == title for e in started))

    def _wait(self, what: str, there: Callable[[list[dict[str, Any]]], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if there([e for e in self._events() if e["event"] == "start"]):
                return
            if self._process.poll() is not None:
                raise AssertionError(f"the run ended before {what}: {self._process.communicate()}")
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{what} did not begin within {DEADLINE} s")

    def kill(self) -> None:
        """SIGKILL: kprov gets no chance to clean up."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.communicate()

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def finish(self) -> Completed:
        """Wait for its end."""
        out, err = self._process.communicate(timeout=DEADLINE)
        return Completed(self._process.returncode, json.loads(out) if out else {}, err)

    def _present(self) -> set[Path]:
        if not self._runs.exists():
            return set()
        return {path for path in self._runs.iterdir() if path.is_dir() and not path.is_symlink()}

    def _events(self) -> list[dict[str, Any]]:
        for run in self._present() - self._before:
            journal = run / "events.jsonl"
            lines = journal.read_text().splitlines() if journal.exists() else []
            return [json.loads(line) for line in lines if line.endswith("}")]
        return []
