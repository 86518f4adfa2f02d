"""The two places where text goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from rich.console import Console


def out() -> Console:
    """Results. Tables keep their width in a pipe, so that nothing is cut."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200, soft_wrap=False)


def err() -> Console:
    """Progress, messages, questions."""
    return Console(file=sys.stderr, highlight=False, width=None if sys.stderr.isatty() else 200)


def interactive() -> bool:
    """True when there is somebody to ask: a terminal on both ends."""
    return sys.stdin.isatty() and sys.stderr.isatty()
