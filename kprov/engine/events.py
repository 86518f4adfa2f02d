"""Typed events of a run, as the callback plugin kprov_events writes them (one JSON object per line)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    event: playbook | play | task | start | ok | skip | failed | unreachable | retry | stats.
    time: seconds since the epoch.
    delegate: the host on which the task really ran, if another. msg: what a failed task said.
    proofs: how it is known that something has come to effect. warnings: what a module could not do and went on without.
    recorded: the phase's record on the host was written. report: what a module says as data, for the command.
    """

    event: str
    time: float = 0.0
    play: str | None = None
    task: str | None = None
    role: str | None = None
    phase: str | None = None
    host: str | None = None
    delegate: str | None = None
    changed: bool = False
    ignored: bool = False
    msg: str | None = None
    module: str | None = None
    module_calls: int = 0
    changes: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    locked: bool = False
    recorded: bool = False
    report: dict[str, Any] = field(default_factory=dict, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


_FIELDS = {f.name for f in fields(Event)} - {"extra"}


def parse_event(line: str) -> Event | None:
    """An Event from a line; None for a line that is not one (a newer plugin, a cut line)."""
    try:
        raw = json.loads(line)
        known = {k: v for k, v in raw.items() if k in _FIELDS and v is not None}
        for name in ("changes", "proofs", "warnings"):
            known[name] = tuple(known.get(name, ()))
        return Event(**known, extra={k: v for k, v in raw.items() if k not in _FIELDS})
    except (ValueError, TypeError, AttributeError):
        return None
