"""What the events of a run mean for the user: the error that ends a command, the warnings beside its result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kprov.engine.events import Event
from kprov.errors import PhaseError, Problem


def phase_error(failures: Sequence[Event], log: Path | None, hint: str, *, operation: str | None = None) -> PhaseError:
    """The first failure as the block that ends a command. operation: what was run, where it is no phase of `up`."""
    first = failures[0]
    return PhaseError(
        phase=operation or first.phase or first.role or "the run",
        host=first.host or "?",
        task=first.task or "?",
        said=first.msg or "(no message; see the log)",
        log=str(log),
        hint=hint,
    )


def module_warnings(events: Sequence[Event]) -> list[Problem]:
    """What roles could not do on a node and went on without, once each."""
    found = [
        Problem("warning", event.phase or "run", text, host=event.host) for event in events for text in event.warnings
    ]
    return list(dict.fromkeys(found))
