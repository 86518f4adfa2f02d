"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A check's word on one host. judged: False when something else, named in the message, must work first."""

    host: str
    ok: bool
    message: str = ""
    judged: bool = True


@dataclass(frozen=True)
class Check:
    """One thing that was proved or not.

    id: stable, kebab-case; ok: False when something is wrong; skipped: why nothing was judged (ok is then True).
    detail: one sentence; hint: the next step when it is red; seconds: how long asking took.
    """

    id: str
    title: str
    ok: bool
    detail: str
    hosts: tuple[Row, ...] = ()
    seconds: float = 0.0
    skipped: str | None = None
    hint: str | None = None

    def data(self) -> dict[str, Any]:
        """The check as JSON."""
        return {**asdict(self), "seconds": round(self.seconds, 2), "hosts": [asdict(row) for row in self.hosts]}


def from_rows(id: str, title: str, rows: Iterable[Row], *, good: str, hint: str, seconds: float = 0.0) -> Check:
    """A check of rows: red when a judged one is, skipped when none could be judged. good: the detail when green."""
    found = tuple(rows)
    red = [row for row in found if row.judged and not row.ok]
    left_out = [row for row in found if not row.judged]
    if red:
        first = red[0]
        more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
        return Check(id, title, False, f"{first.host}: {first.message}{more}", found, seconds, hint=hint)
    if not found or len(left_out) == len(found):
        why = left_out[0].message if left_out else "there is no host to judge"
        return skipped(id, title, why, found)
    rest = f"; not judged: {', '.join(row.host for row in left_out)}" if left_out else ""
    return Check(id, title, True, good + rest, found, seconds)


def skipped(id: str, title: str, why: str, rows: Sequence[Row] = ()) -> Check:
    """A check that said nothing, and why."""
    return Check(id, title, True, f"skipped: {why}", tuple(rows), skipped=why)
