"""`kprov plan`: what `kprov up` would change, host by host, with the reason. Changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from kprov.commands.context import Options, judge, observe
from kprov.errors import ExitCode
from kprov.phases.plan import Plan, build_plan
from kprov.ui.result import Result
from kprov.words import count


def plan(options: Options, *, only: tuple[str, ...] = (), verify_all: bool = False) -> Result:
    """Exit code 0: nothing to do; 2: changes, or something that should change and cannot."""
    observed = observe(options)
    problems = judge(observed)
    wanted = build_plan(observed.spec, observed.states, verify_all=verify_all, only=only, limit=options.limit)
    idle = wanted.empty and not wanted.unreachable
    return Result(
        kind="plan",
        data={"cluster": observed.spec.name, **plan_data(wanted)},
        render=lambda console: _render(console, observed.spec.name, wanted),
        problems=problems,
        exit_code=ExitCode.OK if idle else ExitCode.FOUND,
    )


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON."""
    return {
        "steps": [asdict(step) for step in plan.steps],
        "blocked": [asdict(blocked) for blocked in plan.blocked],
        "unreachable": {name: asdict(why) for name, why in plan.unreachable.items()},
        "first_control_plane": plan.first_control_plane,
    }


def _render(console: Console, cluster: str, plan: Plan) -> None:
    from kprov.ui.plan_table import print_plan

    print_plan(console, plan)
    if plan.empty:
        rest = f" on the hosts that answered; {len(plan.unreachable)} did not" if plan.unreachable else ""
        console.print(f"{cluster}: nothing to change{rest}")
    elif plan.steps:
        hosts = {step.host for step in plan.steps}
        console.print(
            f"{cluster}: {count(len(plan.steps), 'step')} on {count(len(hosts), 'host')}; `kprov up` makes it so"
        )
