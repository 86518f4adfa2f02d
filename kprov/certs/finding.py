"""What is wrong, how badly, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kprov.certs.item import Item
from kprov.errors import Problem

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Limits:
    """warn, critical: seconds that a certificate should have left, at least."""

    warn: float
    critical: float


@dataclass(frozen=True)
class Finding:
    """code: stable kebab-case id, a section of docs/reference/certs.md. name, place: of the item, if it is about one.

    critical: the cluster, or a part of it, is down or will be if nobody acts.
    """

    code: str
    severity: Severity
    message: str
    host: str = ""
    name: str = ""
    place: str = ""
    hint: str | None = None

    def problem(self) -> Problem:
        """As every command lists it."""
        what = f"{self.name}: " if self.name else ""
        severity = self.severity if self.severity == "warning" else "error"
        return Problem(severity, self.code, what + self.message, host=self.host or None, hint=self.hint)


def about(item: Item, code: str, severity: Severity, message: str, hint: str | None = None) -> Finding:
    """A finding about one item."""
    return Finding(code, severity, message, item.host, item.name, item.place, hint)
