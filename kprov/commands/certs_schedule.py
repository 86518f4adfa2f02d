"""`kprov certs schedule`: the phase `certificates` by itself, on any kubeadm cluster that the inventory leads to."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, observe
from kprov.errors import ConnectError, ExitCode, Problem
from kprov.remote.state import Unreachable
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.engine.converge import Converged
    from kprov.phases.plan import Plan

PHASE = "certificates"
LOG = "/var/log/kprov-certs.log"


def certs_schedule(
    options: Options, confirm: Callable[[Plan], bool] | None, console: Console, *, break_lock: bool = False
) -> Result:
    """Install the timer where it is missing or differs; each node then proves that its check runs.

    Changes nothing else, and asks nothing of the nodes but Python and systemd: the cluster may be anybody's. confirm:
    asked before anything changes. Exit code 0: on all hosts; 15: except on some. Raises ConnectError when no host
    answered, PhaseError when a check did not run.
    """
    from kprov.commands.carry_out import Work, carry_out
    from kprov.engine.problems import module_warnings, phase_error
    from kprov.phases.plan import build_plan

    observed = observe(options)

    def planned(without: Collection[str]) -> Plan:
        return build_plan(observed.spec, observed.states, only=(PHASE,), limit=options.limit, without=without)

    unreachable = [
        Problem("warning", state.kind, state.message, host=host, hint=state.hint)
        for host, state in observed.states.items()
        if isinstance(state, Unreachable)
    ]
    if len(unreachable) == len(observed.states):
        raise ConnectError("none of the hosts could be used", problems=unreachable, hint="nothing was changed")
    plan, done = carry_out(Work("certs schedule", planned, confirm, break_lock=break_lock), observed, options, console)
    if done.failures:
        raise phase_error(done.failures, done.log, "mend it, then run `kprov certs schedule` again")
    data = _data(observed.spec.name, Path(observed.spec.inventory), plan, done)
    return Result(
        kind="certs.schedule",
        data=data,
        render=lambda console: _render(console, data),
        problems=[*observed.warnings, *unreachable, *module_warnings(done.warnings)],
        exit_code=ExitCode.PARTIAL if unreachable or plan.blocked else ExitCode.OK,
    )


def _data(cluster: str, inventory: Path, plan: Plan, done: Converged) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "hosts": sorted({step.host for step in plan.steps}),
        "changed_hosts": sorted(done.changed),
        "module_calls": dict(sorted(done.calls.items())),
        "cron": cron_line(inventory),
    }


def cron_line(inventory: Path) -> str:
    """For those who would rather check from here: once a day, with output only when something is wrong."""
    program = shlex.quote(str(Path(sys.argv[0]).resolve()))
    file = shlex.quote(str(inventory.resolve()))
    return f"17 5 * * * {program} certs check {file} >{LOG} 2>&1 || cat {LOG}"


def _render(console: Console, data: dict[str, Any]) -> None:
    if data["hosts"]:
        console.print(f"{data['cluster']}: these nodes check their certificates now: {' '.join(data['hosts'])}")
    else:
        console.print(f"{data['cluster']}: nothing to change, all nodes check their certificates")
    console.print("From this machine as well, by cron (mails its output when something is wrong):")
    console.print(f"  {data['cron']}", soft_wrap=True, highlight=False)
