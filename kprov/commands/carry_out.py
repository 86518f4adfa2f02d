"""A plan is carried out while a display shows it: what `kprov up` and `kprov certs schedule` have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from kprov.commands.context import Observed, Options
from kprov.engine.converge import Converged, Request, converge
from kprov.errors import Interrupted
from kprov.phases.plan import Plan
from kprov.ui.run_display import run_display


@dataclass(frozen=True)
class Work:
    """What is to be carried out. operation: the command as typed, without `kprov`.

    planned: the plan without some hosts; it is called once before anything changes, and again when hosts have failed.
    confirm: asked before anything changes; returns False to stop. None: nobody to ask. variables: what counts in this
    run whatever the inventory says; the plan was made with them.
    """

    operation: str
    planned: Callable[[Collection[str]], Plan]
    confirm: Callable[[Plan], bool] | None
    check: bool = False
    break_lock: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)


def carry_out(work: Work, observed: Observed, options: Options, console: Console) -> tuple[Plan, Converged]:
    """The plan and what came of it; a failed task is part of the answer. Raises LockedError, Interrupted."""
    plan = work.planned(())
    if not plan.steps:
        return plan, Converged()
    if work.confirm and not work.confirm(plan):
        raise Interrupted("stopped before any change")
    with run_display(console, plan) as display:
        request = Request(
            operation=work.operation,
            spec=observed.spec,
            states=observed.states,
            replan=work.planned,
            on_event=display.event,
            check=work.check,
            break_lock=work.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
            variables=work.variables,
        )
        done = converge(request, plan)
    if done.interrupted:
        again = f"`kprov {work.operation}` again goes on from here"
        raise Interrupted("interrupted", hint=f"{again}; `kprov plan` shows what is left")
    return plan, done
