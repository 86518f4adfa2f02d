"""An exception that nobody expected: one line for people, the trace in a private file."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

from rich.console import Console
from rich.markup import escape


def report_bug(console: Console, command: str, error: Exception) -> None:
    """Say what happened and where the trace is; the trace may hold values, so its file is 0600."""
    descriptor, name = tempfile.mkstemp(prefix=f"kprov-{command}-", suffix=".trace")
    Path(name).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    del descriptor
    console.print(
        f"[red bold]error:[/red bold] kprov {command} has a bug: {escape(f'{type(error).__name__}: {error}')}",
        soft_wrap=True,
    )
    console.print(f"  trace {name}", soft_wrap=True)
