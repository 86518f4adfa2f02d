"""`kprov up`: probe, plan, ask, change, verify, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from kprov.commands.carry_out import Work, carry_out
from kprov.commands.context import Observed, Options, judge, observe
from kprov.commands.plan import plan_data
from kprov.commands.verify import verify_spec
from kprov.engine.converge import Converged
from kprov.engine.problems import module_warnings, phase_error
from kprov.errors import ExitCode, Problem
from kprov.phases.plan import Plan, build_plan
from kprov.ui.result import Result
from kprov.words import count

# How long nodes and pods may take to become ready after a change before a check of them is red.
SETTLE_SECONDS = 120.0
AGAIN = "mend it, then run `kprov up` again: it goes on with the phase that failed"


@dataclass(frozen=True)
class UpOptions:
    """How far `up` goes.

    check: run the roles in check mode, change nothing. break_lock: take another operator's lock.
    """

    only: tuple[str, ...] = ()
    verify_all: bool = False
    check: bool = False
    verify: bool = True
    break_lock: bool = False
    # Asked before anything changes; returns False to stop. None: nobody to ask.
    confirm: Callable[[Plan], bool] | None = field(default=None)


def up(options: Options, how: UpOptions, console: Console) -> Result:
    """Converge the cluster. Raises PhaseError when a control plane failed or nothing could be finished."""
    started = time.monotonic()
    observed = observe(options)
    problems = judge(observed)

    def planned(without: Collection[str]) -> Plan:
        return build_plan(
            observed.spec,
            observed.states,
            verify_all=how.verify_all,
            only=how.only,
            limit=options.limit,
            without=without,
        )

    work = Work("up", planned, how.confirm, how.check, how.break_lock)
    plan, done = carry_out(work, observed, options, console)
    if not plan.steps:
        return _report(observed, plan, done, problems, started)
    if done.failures and _nothing_left(observed, done):
        raise phase_error(done.failures, done.log, AGAIN)
    verified = None
    if how.verify and not how.check and not options.limit and not how.only and not plan.blocked:
        verified = verify_spec(observed.spec, options, settle=SETTLE_SECONDS)
    return _report(observed, plan, done, problems, started, verified, how.check)


def _nothing_left(observed: Observed, done: Converged) -> bool:
    """True when the failure is not one host's own: a control plane failed, or every host did."""
    control_planes = {h.name for h in observed.spec.group("kube_control_plane")}
    failed = {event.host for event in done.failures if event.host}
    return bool(failed & control_planes) or failed >= {h.name for h in observed.spec.hosts}


def _report(
    observed: Observed,
    plan: Plan,
    done: Converged,
    problems: Sequence[Problem],
    started: float,
    verified: Result | None = None,
    check: bool = False,
) -> Result:
    left_out = {
        **{n: u.message for n, u in plan.unreachable.items()},
        **done.held,
        **{str(e.host): e.msg or e.event for e in done.failures},
    }
    complete = not left_out and not plan.blocked
    data: dict[str, Any] = {
        "cluster": observed.spec.name,
        "check": check,
        "changed": len(done.changed),
        "changed_hosts": sorted(done.changed),
        "module_calls": dict(sorted(done.calls.items())),
        "seconds": round(time.monotonic() - started, 2),
        "left_out": left_out,
        "log": str(done.log) if done.log else None,
        "plan": plan_data(plan),
        "verify": dict(verified.data) if verified else None,
    }

    def render(console: Console) -> None:
        if verified:
            verified.render(console)
        _render(console, data)

    exit_code = ExitCode.OK if complete else ExitCode.PARTIAL
    if verified and complete:
        exit_code = verified.exit_code
    said = [*problems, *module_warnings(done.warnings), *(verified.problems if verified else ())]
    return Result("up", data, render, said, exit_code)


def _render(console: Console, data: dict[str, Any]) -> None:
    name, seconds = data["cluster"], data["seconds"]
    if not data["plan"]["steps"]:
        console.print(f"{name}: nothing to change ({seconds} s)")
    else:
        what = "would change (nothing was)" if data["check"] else "changed"
        console.print(
            f"{name}: {count(data['changed'], 'host')} {what} in {seconds} s; log {data['log']}", soft_wrap=True
        )
    for blocked in data["plan"]["blocked"]:
        console.print(f"  not done: {blocked['phase']} on {blocked['host']}: {blocked['why']}")
    for host, why in data["left_out"].items():
        console.print(f"  left out: {host}: {why}", soft_wrap=True)
    if data["left_out"]:
        console.print("  run `kprov up` again when these hosts are back")
