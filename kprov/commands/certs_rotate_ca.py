"""`kprov certs rotate-ca`: a CA of the control plane gives way to a new one, step by step; a dry run, unless told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.commands.context import Options
from kprov.commands.renewal_report import AGAIN
from kprov.commands.renewal_run import look_at
from kprov.commands.rotation_report import Taken, report
from kprov.errors import ConnectError, InputError, Interrupted, PhaseError, PreflightError, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.rotation import Plane, Rotation
    from kprov.engine.run import Outcome
    from kprov.remote.ssh import Connections
    from kprov.spec.cluster import ClusterSpec

PAGE = "docs/how-to/rotate-ca.md"
AUTHORITIES = ("etcd-ca", "front-proxy-ca")


@dataclass(frozen=True)
class RotateOptions:
    """replace: serial of the CA that is to go, to begin a rotation. apply: take the next step; all_steps: every one.

    announce: called with what is about to be done, before each step.
    """

    authority: str
    replace: str | None = None
    apply: bool = False
    all_steps: bool = False
    accept_outage: bool = False
    break_lock: bool = False
    announce: Callable[[Rotation], None] = field(default=lambda rotation: None)


def certs_rotate_ca(options: Options, how: RotateOptions, console: Console) -> Result:
    """Find out where the rotation is; with apply take its next step, or all.

    Raises InputError, ConnectError when a control plane cannot be looked at, PreflightError when no step may be taken,
    PhaseError when one failed.
    """
    from kprov.engine.problems import module_warnings
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    refuse_cluster_ca(how.authority)
    started = time.monotonic()
    loaded = load(options.inventory)
    spec = loaded.spec
    taken: list[Taken] = []
    problems: list[Problem] = [*loaded.warnings]
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        while True:
            planes, rotation = _look(spec, how, connections, taken)
            more = how.apply and (how.all_steps or not taken)
            if rotation.step is None or not more:
                return report(spec.name, how.authority, rotation, planes, taken, problems, time.monotonic() - started)
            _refuse_outage(spec, how, rotation)
            how.announce(rotation)
            began = time.monotonic()
            outcome, log, proofs = _take(spec, options, how, rotation, console)
            problems += module_warnings(outcome.warnings)
            taken.append(Taken(rotation.step.value, time.monotonic() - began, proofs, str(log)))


def refuse_cluster_ca(authority: str) -> None:
    """The CA that kubelets, kubeconfigs and pods trust is not rotated by this command. Raises InputError."""
    if authority not in AUTHORITIES:
        raise InputError(
            f"kprov does not rotate {authority}: kubelets, kubeconfigs and every pod trust it, too, and the controller "
            "manager signs with exactly one certificate",
            hint=f"what it takes by hand is in {PAGE}; kprov rotates {' and '.join(AUTHORITIES)}",
        )


def _look(
    spec: ClusterSpec, how: RotateOptions, connections: Connections, taken: Sequence[Taken]
) -> tuple[Sequence[Plane], Rotation]:
    from kprov.certs.rotation import rotation, seen

    hosts = spec.group("kube_control_plane")
    try:
        found = look_at(spec, connections)
    except ConnectError as error:
        done = f"; before that: {', '.join(one.step for one in taken)}" if taken else ""
        raise ConnectError(f"{error.message}{done}", problems=error.problems, hint=error.hint) from error
    planes = seen(found, how.authority, [host.name for host in hosts])
    where = rotation(planes, how.replace)
    if where.refused:
        raise PreflightError(f"{how.authority} cannot be rotated: {where.refused}", hint=f"see {PAGE}")
    if taken and where.step and where.step.value == taken[-1].step:
        raise PhaseError(
            phase=f"certs rotate-ca {how.authority}",
            host=where.hosts[0],
            task=where.step.value,
            said=f"the step ended well, and {where.why}",
            log=taken[-1].log,
            hint=AGAIN,
        )
    return planes, where


def _refuse_outage(spec: ClusterSpec, how: RotateOptions, rotation: Rotation) -> None:
    """Where the step has to restart what nobody else can stand in for. Raises InputError."""
    from kprov.certs.rotation import restarts

    hosts = spec.group("kube_control_plane")
    accepted = how.accept_outage or hosts[0].variables["certs_renew_accept_outage"]
    names = restarts(how.authority, rotation.step)
    if names and len(hosts) < 3 and not accepted:
        away = "the API is away for up to 90 s" if len(hosts) == 1 else "etcd is without its majority"
        raise InputError(
            f"{' and '.join(names)} know a CA only from their next start on, and meanwhile {away}",
            hint="allow it with --accept-outage",
        )


def _take(
    spec: ClusterSpec, options: Options, how: RotateOptions, rotation: Rotation, console: Console
) -> tuple[Outcome, Path, tuple[str, ...]]:
    from kprov.engine.certs_rotate_ca import run_step
    from kprov.engine.events import Event
    from kprov.engine.problems import phase_error
    from kprov.ui.run_display import PlainDisplay

    assert rotation.step
    proofs: list[str] = []
    with PlainDisplay(console) as display:

        def on_event(event: Event) -> None:
            proofs.extend(f"{event.host}: {proof}" for proof in event.proofs)
            display.event(event)

        outcome, log = run_step(
            spec,
            how.authority,
            rotation.step,
            on_event,
            accept_outage=how.accept_outage,
            break_lock=how.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
        )
    if outcome.interrupted:
        raise Interrupted("interrupted", hint=AGAIN)
    if outcome.failures:
        operation = f"certs rotate-ca {how.authority}, step {rotation.step.value}"
        raise phase_error(outcome.failures, log, AGAIN, operation=operation)
    return outcome, log, tuple(proofs)
