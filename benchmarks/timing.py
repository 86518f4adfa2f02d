"""Wall clock of a call or a command: the best and the median of a few runs, because machines are noisy."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    best: float
    median: float


def timed(call: Callable[[], object], runs: int = 3) -> Timing:
    """Time a call."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return Timing(min(seconds), statistics.median(seconds))


def timed_command(argv: Sequence[str], runs: int = 3) -> Timing:
    """Time a command; its output is thrown away, its failure is not."""
    return timed(lambda: subprocess.run(argv, check=True, capture_output=True), runs)
