"""Progress of long work, for people: on stderr, one line per step with its time.

Commands and libraries take a `Progress` and never print themselves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Progress(Protocol):
    """Where long work says what it is doing."""

    def step(self, title: str) -> None:
        """A thing that happened or starts now, one line."""
        ...

    @contextmanager
    def timed(self, title: str) -> Iterator[None]:
        """A thing that takes a while: says so when it starts and how long it took when it ends."""
        ...


class PlainProgress:
    """Lines on stderr; good for logs and for terminals alike."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def step(self, title: str) -> None:
        self._stream.write(f"{title}\n")
        self._stream.flush()

    @contextmanager
    def timed(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        self.step(f"{title} ...")
        yield
        self.step(f"{title}: {time.monotonic() - started:.1f} s")


class NoProgress:
    """Says nothing (tests, JSON consumers that want a quiet stderr)."""

    def step(self, title: str) -> None:
        return

    @contextmanager
    def timed(self, title: str) -> Iterator[None]:
        yield
