"""How long kprov takes before it does anything. Design target: `kprov --help` within 0.25 s."""

from __future__ import annotations

import sys

from benchmarks.table import print_table
from benchmarks.timing import timed_command


def main() -> None:
    python = timed_command([sys.executable, "-c", "pass"], runs=10)
    rows: list[list[object]] = [["python -c pass", python.best, python.median, 1.0]]
    for arguments in (["--help"], ["up", "--help"], ["--version"]):
        timing = timed_command([sys.executable, "-m", "kprov", *arguments], runs=10)
        rows.append([f"kprov {' '.join(arguments)}", timing.best, timing.median, timing.best / python.best])
    print_table("Start of the process (seconds)", ["command", "best", "median", "x python"], rows)


if __name__ == "__main__":
    main()
