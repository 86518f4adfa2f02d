"""`kprov certs schedule`: the phase `certificates` by itself, on any kubeadm cluster that the inventory leads to."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, observe
from kprov.errors import ConnectError, ExitCode, InputError, Problem
from kprov.remote.state import Unreachable
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.engine.converge import Converged
    from kprov.phases.plan import Plan
    from kprov.spec.cluster import ClusterSpec

PHASE = "certificates"
RENEW, WINDOW = "certificates_renew", "certificates_renew_window"
LOG = "/var/log/kprov-certs.log"


@dataclass(frozen=True)
class Wish:
    """What was typed, on top of the inventory; None: as the inventory says."""

    renew: bool | None = None
    window: str | None = None


def certs_schedule(
    options: Options,
    confirm: Callable[[Plan], bool] | None,
    console: Console,
    *,
    break_lock: bool = False,
    wish: Wish | None = None,
) -> Result:
    """Install the timers where they are missing or differ; each node then proves that its check runs.

    Changes nothing else, and asks nothing of the nodes but Python and systemd: the cluster may be anybody's. confirm:
    asked before anything changes. Exit code 0: on all hosts; 15: except on some. Raises ConnectError when no host
    answered, PhaseError when a check did not run.
    """
    from kprov.commands.carry_out import Work, carry_out
    from kprov.engine.problems import module_warnings, phase_error
    from kprov.phases.plan import build_plan

    observed = observe(options)
    own = _on_top(observed.spec, wish or Wish())
    observed = replace(observed, spec=_with(observed.spec, own))

    def planned(without: Collection[str]) -> Plan:
        return build_plan(observed.spec, observed.states, only=(PHASE,), limit=options.limit, without=without)

    unreachable = [
        Problem("warning", state.kind, state.message, host=host, hint=state.hint)
        for host, state in observed.states.items()
        if isinstance(state, Unreachable)
    ]
    if len(unreachable) == len(observed.states):
        raise ConnectError("none of the hosts could be used", problems=unreachable, hint="nothing was changed")
    work = Work("certs schedule", planned, confirm, break_lock=break_lock, variables=own)
    plan, done = carry_out(work, observed, options, console)
    if done.failures:
        raise phase_error(done.failures, done.log, "mend it, then run `kprov certs schedule` again")
    data = _data(observed.spec, plan, done)
    return Result(
        kind="certs.schedule",
        data=data,
        render=lambda console: _render(console, data),
        problems=[*observed.warnings, *unreachable, *module_warnings(done.warnings), *_not_in_inventory(own)],
        exit_code=ExitCode.PARTIAL if unreachable or plan.blocked else ExitCode.OK,
    )


def _on_top(spec: ClusterSpec, wish: Wish) -> dict[str, Any]:
    """Variables that differ from the inventory's. Raises InputError."""
    from kprov.spec.checks.certificates import CHECK_NEEDED, window_problem

    variables = spec.group("kube_control_plane")[0].variables
    renew = variables[RENEW] if wish.renew is None else wish.renew
    if wish.window is not None:
        problem = window_problem(wish.window)
        if problem:
            raise InputError(f"--window: {problem}", hint="for example --window 'Sun 02:00-04:00'")
        if not renew:
            raise InputError("--window is about renewals, which are off", hint="--renew lets control planes renew")
    if renew and variables["certificates_check"] == "never":
        raise InputError(f"--renew: {CHECK_NEEDED}", hint="certificates_check: daily")
    wanted = {RENEW: renew, WINDOW: variables[WINDOW] if wish.window is None else wish.window}
    return {name: value for name, value in wanted.items() if value != variables[name]}


def _with(spec: ClusterSpec, own: Mapping[str, Any]) -> ClusterSpec:
    hosts = tuple(replace(host, variables={**host.variables, **own}) for host in spec.hosts)
    return replace(spec, hosts=hosts) if own else spec


def _not_in_inventory(own: Mapping[str, Any]) -> list[Problem]:
    if not own:
        return []
    lines = ", ".join(f"{name}: {json.dumps(value)}" for name, value in own.items())
    message = (
        f"the inventory says otherwise: the next `kprov up` or `kprov certs schedule` without options undoes {lines}"
    )
    return [Problem("warning", "not-in-inventory", message, hint=f"write into group_vars/all.yml: {lines}")]


def _data(spec: ClusterSpec, plan: Plan, done: Converged) -> dict[str, Any]:
    variables = spec.group("kube_control_plane")[0].variables
    return {
        "cluster": spec.name,
        "hosts": sorted({step.host for step in plan.steps}),
        "changed_hosts": sorted(done.changed),
        "module_calls": dict(sorted(done.calls.items())),
        "renewal": variables[WINDOW] if variables[RENEW] else None,
        "cron": cron_line(Path(spec.inventory)),
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
    if data["renewal"]:
        console.print(f"Control planes renew their own certificates, one at a time: {data['renewal']}, local time")
    console.print("From this machine as well, by cron (mails its output when something is wrong):")
    console.print(f"  {data['cron']}", soft_wrap=True, highlight=False)
