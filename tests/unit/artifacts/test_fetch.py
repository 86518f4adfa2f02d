"""Many downloads at the same time."""

from __future__ import annotations

import threading

import pytest

from kprov.artifacts.fetch import Got, Job, fetch_all
from kprov.errors import ArtifactError, Problem


class Lines:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, title: str) -> None:
        self.said.append(title)


def ready(value: str) -> Job:
    return Job(value, lambda: Got(value, "1.0 MB"))


def failing(name: str) -> Job:
    def run() -> Got:
        raise ArtifactError("no", problems=[Problem("error", "artifact-missing", f"no {name}")])

    return Job(name, run)


def test_values_come_in_the_order_of_the_jobs_and_each_is_said() -> None:
    lines = Lines()
    jobs = [ready(str(number)) for number in range(20)]
    assert fetch_all(jobs, lines, threading.Event()) == [str(number) for number in range(20)]  # type: ignore[arg-type]
    assert {line.partition("] ")[2] for line in lines.said} == {f"{number}: 1.0 MB" for number in range(20)}
    assert lines.said[-1].startswith("[20/20] ")


def test_every_failure_is_in_the_report() -> None:
    lines = Lines()
    with pytest.raises(ArtifactError, match="2 of 3 files and images") as caught:
        fetch_all([failing("a"), ready("b"), failing("c")], lines, threading.Event())  # type: ignore[arg-type]
    assert [problem.message for problem in caught.value.problems] == ["a: no a", "c: no c"]
    assert len(lines.said) == 3


def test_an_error_of_the_machine_stops_the_others() -> None:
    stop = threading.Event()

    def full() -> Got:
        raise OSError(28, "No space left on device")

    def endless() -> Got:
        assert stop.wait(30)
        return Got("", "")

    with pytest.raises(OSError, match="No space"):
        fetch_all([Job("full", full), Job("endless", endless)], Lines(), stop)  # type: ignore[arg-type]
    assert stop.is_set()
