"""How every command gets a yes before it changes anything: it announces, then asks, unless --yes was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kprov.phases.plan import Plan


def asking(question: str, announce: Callable[..., None], *, yes: bool) -> Callable[..., bool]:
    """A function that announces what will be done and returns the answer. announce: called with its arguments.

    It raises InputError when there is neither --yes nor a terminal to ask on: nobody has agreed to a change then.
    """

    def ask(*what: object) -> bool:
        from kprov.errors import InputError
        from kprov.ui.console import interactive

        announce(*what)
        if yes:
            return True
        if not interactive():
            raise InputError("there is no terminal to ask on", hint="add --yes if this is what you want")
        import typer

        return typer.confirm(question, err=True)

    return ask


def announce_plan(plan: Plan) -> None:
    """Show which phases would run on which hosts, and why."""
    from kprov.ui.console import err
    from kprov.ui.plan_table import print_plan

    print_plan(err(), plan)


def announce_lines(lines: Sequence[str]) -> None:
    """Show lines as they are."""
    from kprov.ui.console import err

    for line in lines:
        err().print(line, markup=False, soft_wrap=True)
