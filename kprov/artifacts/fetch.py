"""Many downloads at the same time: progress for each, and every failure in one report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from kprov.errors import ArtifactError, Problem
from kprov.ui.progress import Progress

PARALLEL = 4


@dataclass(frozen=True)
class Got:
    """value: what the job was for (a path, a digest); said: how, in a few words for the progress."""

    value: str
    said: str


@dataclass(frozen=True)
class Job:
    """A download. run: raises ArtifactError when it cannot be had."""

    label: str
    run: Callable[[], Got]


def fetch_all(jobs: Sequence[Job], progress: Progress, stop: threading.Event) -> list[str]:
    """Values of the jobs, in their order. Raises ArtifactError with the problems of all that failed.

    stop: is set when this ends early (Ctrl-C, a full disk), so that running jobs end as well.
    """
    got: dict[int, str] = {}
    problems: dict[int, list[Problem]] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = {pool.submit(job.run): number for number, job in enumerate(jobs)}
        try:
            for count, future in enumerate(as_completed(futures), start=1):
                number = futures[future]
                label = jobs[number].label
                try:
                    result = future.result()
                    got[number], said = result.value, result.said
                except ArtifactError as error:
                    problems[number] = [replace(p, message=f"{label}: {p.message}") for p in error.problems]
                    said = "failed"
                progress.step(f"[{count}/{len(jobs)}] {label}: {said}")
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise ArtifactError(
            f"{len(problems)} of {len(jobs)} files and images could not be had",
            hint="what came is kept: the same command again asks only for the rest",
            problems=[problem for number in sorted(problems) for problem in problems[number]],
        )
    return [got[number] for number in range(len(jobs))]
