"""Lines of a journal, for people and for a screen that follows them."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console

WARNING, ERROR = 4, 3  # priorities of syslog


class JournalLine(Protocol):
    """What is printed of a line. time: RFC 3339; priority: of syslog, 0 (worst) to 7."""

    @property
    def time(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def priority(self) -> int: ...

    @property
    def message(self) -> str: ...


def print_line(console: Console, line: JournalLine) -> None:
    """One line: time, unit, message; in colour where its program says that it is bad."""
    style = "red" if line.priority <= ERROR else "yellow" if line.priority == WARNING else None
    text = f"{line.time} {line.unit.removesuffix('.service')}: {line.message}"
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
