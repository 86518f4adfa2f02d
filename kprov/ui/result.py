"""What a command returns, and its one JSON envelope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kprov.errors import ExitCode, Problem

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Result:
    """The outcome of a command.

    kind: "plan" becomes "kprov.plan/v1".
    data: JSON-ready values, snake_case keys, RFC 3339 times, Kubernetes quantities.
    render: prints the same data for people.
    """

    kind: str
    data: dict[str, Any]
    render: Callable[[Console], None]
    problems: Sequence[Problem] = field(default_factory=tuple)
    exit_code: ExitCode = ExitCode.OK


def envelope(kind: str, data: dict[str, Any], problems: Sequence[Problem], exit_code: int) -> dict[str, Any]:
    """The JSON that every command prints with `-o json`, errors included."""
    return {
        "kind": f"kprov.{kind}/v1",
        "ok": exit_code == ExitCode.OK,
        "exit_code": int(exit_code),
        "data": data,
        "problems": [asdict(problem) for problem in problems],
    }
