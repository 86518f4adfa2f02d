"""Problems for people: errors first, with their place, and once for all hosts that have the same."""

from __future__ import annotations

from rich.console import Console

from kprov.errors import Problem
from kprov.ui.problems import print_problems


def shown(*problems: Problem) -> list[str]:
    console = Console(width=40)
    with console.capture() as captured:
        print_problems(console, problems)
    return captured.get().splitlines()


def test_errors_come_first_with_file_and_line_and_hint() -> None:
    assert shown(
        Problem("warning", "a", "odd"),
        Problem("error", "b", "bad [x]", file="all.yml", line=3, hint="say [y]"),
        Problem("error", "c", "gone", host="w1"),
    ) == ["error all.yml:3: bad [x] (b)", "      hint  say [y]", "error w1: gone (c)", "warning odd (a)"]


def test_what_several_hosts_have_in_common_is_said_once() -> None:
    same = [Problem("warning", "v1", "uses cgroup v1", host=host, hint="reboot") for host in ("cp1", "w1", "w1", "w2")]
    other = Problem("warning", "v1", "uses cgroup v1", host="w3", hint="reboot w3")
    assert shown(*same, other) == [
        "warning cp1, w1, w2: uses cgroup v1 (v1)",
        "      hint  reboot",
        "warning w3: uses cgroup v1 (v1)",
        "      hint  reboot w3",
    ]


def test_many_hosts_are_counted() -> None:
    (line,) = shown(*(Problem("warning", "x", "y", host=f"n{number}") for number in range(12)))
    assert line == "warning n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more: y (x)"
