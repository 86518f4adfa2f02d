"""What `kprov certs renew` and `kprov certs csr import` share: the run, and the looks before and after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.commands.context import Options, refuse_strangers
from kprov.commands.renewal_report import AGAIN, report, summary, unproven
from kprov.errors import ConnectError, ExitCode, InputError, Interrupted, KprovError, PhaseError, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory
    from kprov.certs.renewal import Renewal, Renewed
    from kprov.engine.certs_renew import Ran
    from kprov.remote.ssh import Connections
    from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class RunOptions:
    """confirm: asked before anything changes, with what is planned, what was found, how many control planes there are.

    It returns False to stop.
    """

    dry_run: bool = False
    accept_outage: bool = False
    break_lock: bool = False
    confirm: Callable[[Renewal, Inventory, int], bool] | None = field(default=None)


@dataclass(frozen=True)
class Job:
    """renewal: what to do. operation: as typed. only, within, signed: as kprov.engine.certs_renew.Request has them.

    before: what the renewal was planned from. problems: what is to be said anyway. started: by time.monotonic().
    """

    operation: str
    spec: ClusterSpec
    renewal: Renewal
    before: Inventory
    problems: Sequence[Problem]
    started: float
    only: Sequence[str] = ()
    within: str = ""
    signed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def run_job(job: Job, options: Options, how: RunOptions, connections: Connections, console: Console) -> Result:
    """Announce, ask, run, look again. Raises Interrupted, ConnectError, PhaseError when it changed no certificate."""
    from kprov.certs.renewal import compare
    from kprov.engine.certs_renew import Request, run_renewal
    from kprov.engine.problems import module_warnings
    from kprov.ui.run_display import PlainDisplay

    spec, renewal, problems = job.spec, job.renewal, [*job.problems]
    if how.confirm and not how.confirm(renewal, job.before, len(spec.group("kube_control_plane"))):
        raise Interrupted("stopped before any change")
    if how.dry_run:
        done = "nothing was changed"
        return report(job.operation, spec.name, done, problems, ExitCode.FOUND, job.started, planned=renewal)
    with PlainDisplay(console) as display:
        request = Request(
            spec=spec,
            hosts=renewal.hosts,
            only=job.only,
            within=job.within,
            kubelets=[work.host for work in renewal.kubelets],
            etcd=[work.host for work in renewal.etcd],
            recover=renewal.recover,
            on_event=display.event,
            accept_outage=how.accept_outage,
            break_lock=how.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
            names=renewal.names,
            signed=job.signed,
            operation=job.operation,
        )
        ran = run_renewal(request)
    if ran.outcome.interrupted:
        raise Interrupted("interrupted", hint=AGAIN)
    try:
        after = look_at(spec, connections)
    except ConnectError as error:
        if not ran.outcome.failures:
            raise
        raise failed(ran, f"{error.message}; {AGAIN}") from error
    items = compare(renewal, after)
    if ran.outcome.failures and not any(one.changed for one in items):
        raise failed(ran, "no certificate was changed; mend it, then run the same command again")
    problems += [*module_warnings(ran.outcome.warnings), *unproven(items, ran)]
    own = _own_kubeconfig(spec, options, items)
    problems += [own] if isinstance(own, Problem) else []
    done = summary(items, ran, time.monotonic() - job.started)
    done += f"; {own} refreshed" if isinstance(own, Path) else ""
    code = ExitCode.PHASE if any(problem.severity == "error" for problem in problems) else ExitCode.OK
    return report(job.operation, spec.name, done, problems, code, job.started, items=items, ran=ran)


def failed(ran: Ran, hint: str) -> PhaseError:
    """The first failure as the block that ends the command."""
    from kprov.engine.problems import phase_error

    return phase_error(ran.outcome.failures, ran.log, hint, operation=ran.operation)


def control_planes(spec: ClusterSpec, wanted: Sequence[str]) -> list[str]:
    """Those that --host names, all if it names none. Raises InputError."""
    refuse_strangers(spec, wanted, "--host")
    planes = [host.name for host in spec.group("kube_control_plane")]
    for name in wanted:
        if name not in planes:
            raise InputError(f"{name} is no control plane", hint=f"kubeadm's certificates are on {', '.join(planes)}")
    return [name for name in planes if not wanted or name in wanted]


def look_at(spec: ClusterSpec, connections: Connections) -> Inventory:
    """All hosts. A control plane must answer even if nothing is renewed there: members of etcd need each other."""
    from kprov.certs.look import look

    planes = {host.name for host in spec.group("kube_control_plane")}
    found = look(spec, spec.hosts, connections)
    missing = [one for one in found.unread if one.what == "host" and one.host in planes]
    if missing:
        raise ConnectError(
            "not all control planes can be looked at",
            problems=[Problem("error", "host-unreachable", one.why, host=one.host) for one in missing],
            hint="certificates are renewed only while every member of etcd is well",
        )
    return found


def _own_kubeconfig(spec: ClusterSpec, options: Options, items: Sequence[Renewed]) -> Path | Problem | None:
    """What `kprov kubeconfig` wrote on this machine gets the renewed certificate, too; its path if it did."""
    from kprov.commands.kubeconfig import refresh

    replaced = {one.before.certificate for one in items if one.before.name == "admin.conf" and not one.problem}
    try:
        everywhere = Options(options.inventory, options.accept_new_host_keys)  # not only --host
        return refresh(everywhere, spec.name, replaced) if replaced else None
    except (KprovError, ValueError) as error:
        return Problem("warning", "kubeconfig-left", f"your kubeconfig is as it was: {error}")
