"""The journal of a run: a private directory with its plan, its events and Ansible's own log."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kprov.engine.events import Event
from kprov.engine.paths import cluster_home

KEPT_RUNS = 20


class Journal:
    """One run. `directory` holds plan.json, events.jsonl, ansible.log; `last` beside it points to the newest run."""

    def __init__(self, cluster: str, operation: str) -> None:
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{operation.replace(' ', '-')}"
        runs = cluster_home(cluster) / "runs"
        self.directory = runs / self.run_id
        self.directory.mkdir(mode=0o700, parents=True)
        self._events = (self.directory / "events.jsonl").open("a", encoding="utf-8")
        _point_to(runs / "last", self.directory)
        _forget_old(runs)

    @property
    def ansible_log(self) -> Path:
        """What ansible-playbook printed."""
        return self.directory / "ansible.log"

    def write(self, name: str, value: Any) -> Path:
        """Keep a JSON document of the run."""
        path = self.directory / name
        path.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")
        return path

    def event(self, event: Event) -> None:
        """Append an event; on disk at once, so that a killed run can be read."""
        record = {k: v for k, v in asdict(event).items() if v not in (None, "", 0, False, (), {})}
        self._events.write(json.dumps(record) + "\n")
        self._events.flush()

    def close(self) -> None:
        """End of the run."""
        self._events.close()


def _point_to(link: Path, target: Path) -> None:
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)


def _forget_old(runs: Path) -> None:
    old = sorted(p for p in runs.iterdir() if p.is_dir() and not p.is_symlink())[:-KEPT_RUNS]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
