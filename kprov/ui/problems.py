"""Problems and errors for people: where, what, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.markup import escape

from kprov.errors import KprovError, PhaseError, Problem

COLOURS = {"error": "red", "warning": "yellow"}
MOST_HOSTS = 10  # named in one line; `-o json` has all


def print_problems(console: Console, problems: Sequence[Problem]) -> None:
    """One block per problem, errors first; compilers' file:line so that an editor can jump there.

    What is the same on several hosts, hint included, is said once.
    """
    for problem, hosts in _together(sorted(problems, key=lambda p: p.severity)):
        colour = COLOURS[problem.severity]
        where = _where(problem, hosts)
        console.print(
            f"[{colour}]{problem.severity}[/{colour}] {where}{escape(problem.message)} [dim]({problem.code})[/dim]",
            soft_wrap=True,
        )
        if problem.hint:
            console.print(f"      hint  {escape(problem.hint)}", soft_wrap=True)


def _together(problems: Sequence[Problem]) -> list[tuple[Problem, list[str]]]:
    """Each different problem, in order, with its hosts."""
    hosts: dict[Problem, list[str]] = {}
    for problem in problems:
        named = hosts.setdefault(replace(problem, host=None), [])
        if problem.host and problem.host not in named:
            named.append(problem.host)
    return list(hosts.items())


def _where(problem: Problem, hosts: Sequence[str]) -> str:
    parts = []
    if problem.file:
        parts.append(f"{problem.file}:{problem.line}" if problem.line else problem.file)
    if hosts:
        more = f" and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else ""
        parts.append(", ".join(hosts[:MOST_HOSTS]) + more)
    return "".join(f"{escape(part)}: " for part in parts)


def print_error(console: Console, error: KprovError) -> None:
    """The block that ends a failed command."""
    print_problems(console, error.problems)
    console.print(f"[red bold]error:[/red bold] {escape(error.message)}", soft_wrap=True)
    if isinstance(error, PhaseError):
        said, *more = error.said.splitlines() or [""]
        console.print(f"  task  {escape(error.task)}", soft_wrap=True)
        console.print(f"  said  {escape(said)}", soft_wrap=True)
        for line in more:
            console.print(f"        {escape(line)}", soft_wrap=True)
        console.print(f"  log   {escape(error.log)}", soft_wrap=True)
    if error.hint:
        console.print(f"  hint  {escape(error.hint)}", soft_wrap=True)
