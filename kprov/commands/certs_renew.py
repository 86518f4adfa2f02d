"""`kprov certs renew`: certificates renewed on one control plane after another, and the proof that they are in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.commands.context import Options, refuse_strangers
from kprov.commands.renewal_report import AGAIN, report, summary, unproven
from kprov.errors import ConnectError, ExitCode, InputError, Interrupted, KprovError, PhaseError, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory, Item
    from kprov.certs.renewal import Renewal, Renewed
    from kprov.engine.certs_renew import Ran
    from kprov.remote.ssh import Connections
    from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class RenewOptions:
    """only: kubeadm's names, all if empty. within: as typed, 30d; None: the inventory's. everything: however long left.
    apply_sans: not by time, but what lacks names of the inventory.

    confirm: asked before anything changes, with what is planned, what was found and the number of control planes;
    returns False to stop.
    """

    only: tuple[str, ...] = ()
    within: str | None = None
    everything: bool = False
    apply_sans: bool = False
    dry_run: bool = False
    accept_outage: bool = False
    break_lock: bool = False
    confirm: Callable[[Renewal, Inventory, int], bool] | None = field(default=None)


def certs_renew(options: Options, how: RenewOptions, console: Console) -> Result:
    """Renew what is due. Nothing due and everything in use: Ansible is not even started.

    Raises InputError, ConnectError when a control plane cannot be looked at, PhaseError when the run failed before it
    changed a certificate.
    """
    from kprov.certs.renewal import compare, plan
    from kprov.engine.certs_renew import Request, run_renewal
    from kprov.engine.problems import module_warnings
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load
    from kprov.ui.run_display import PlainDisplay

    started = time.monotonic()
    loaded = load(options.inventory)
    spec = loaded.spec
    hosts = _hosts(spec, options.limit)
    only, within = _wanted(spec, how)
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        before = _look(spec, connections)
        problems = [*loaded.warnings, *_away(before)]
        done = f"nothing to renew: everything has more than {within} left and is in use"
        if how.apply_sans:
            renewal, only, within = _by_names(before, spec, hosts, problems)
            done = "nothing to issue: what kubeadm has issued for servers has all names of the inventory"
        else:
            renewal = plan(before, hosts, only, _seconds(within), _copied(spec))
        problems += _external(renewal)
        if not renewal:
            return report(spec.name, done, problems, ExitCode.OK, started)
        if how.confirm and not how.confirm(renewal, before, len(spec.group("kube_control_plane"))):
            raise Interrupted("stopped before any change")
        if how.dry_run:
            return report(spec.name, "nothing was changed", problems, ExitCode.FOUND, started, planned=renewal)
        with PlainDisplay(console) as display:
            request = Request(
                spec=spec,
                hosts=renewal.hosts,
                only=only,
                within=within,
                kubelets=[work.host for work in renewal.kubelets],
                etcd=[work.host for work in renewal.etcd],
                recover=renewal.recover,
                names=renewal.names,
                on_event=display.event,
                accept_outage=how.accept_outage,
                break_lock=how.break_lock,
                accept_new_host_keys=options.accept_new_host_keys,
            )
            ran = run_renewal(request)
        if ran.outcome.interrupted:
            raise Interrupted("interrupted", hint=AGAIN)
        try:
            after = _look(spec, connections)
        except ConnectError as error:
            if not ran.outcome.failures:
                raise
            raise _failed(ran, f"{error.message}; {AGAIN}") from error
    items = compare(renewal, after)
    if ran.outcome.failures and not any(one.changed for one in items):
        raise _failed(ran, "no certificate was changed; mend it, then run the same command again")
    problems += [*module_warnings(ran.outcome.warnings), *unproven(items, ran)]
    own = _own_kubeconfig(spec, options, items)
    problems += [own] if isinstance(own, Problem) else []
    done = summary(items, ran, time.monotonic() - started)
    done += f"; {own} refreshed" if isinstance(own, Path) else ""
    code = ExitCode.PHASE if any(problem.severity == "error" for problem in problems) else ExitCode.OK
    return report(spec.name, done, problems, code, started, items=items, ran=ran)


def _failed(ran: Ran, hint: str) -> PhaseError:
    from kprov.engine.problems import phase_error

    return phase_error(ran.outcome.failures, ran.log, hint, operation="certs renew")


def _hosts(spec: ClusterSpec, wanted: Sequence[str]) -> list[str]:
    refuse_strangers(spec, wanted, "--host")
    planes = [host.name for host in spec.group("kube_control_plane")]
    for name in wanted:
        if name not in planes:
            raise InputError(f"{name} is no control plane", hint=f"kubeadm's certificates are on {', '.join(planes)}")
    return [name for name in planes if not wanted or name in wanted]


def _wanted(spec: ClusterSpec, how: RenewOptions) -> tuple[tuple[str, ...], str]:
    """Names, and the span as text ("" for however long): from the command line, else from the inventory."""
    from kprov.certs.node.known import KUBEADM
    from kprov.certs.renewal import KUBELET_CLIENT, KUBELET_SERVER

    known = KUBEADM | {KUBELET_CLIENT, KUBELET_SERVER}
    variables = spec.group("kube_control_plane")[0].variables
    only = how.only or tuple(str(name) for name in variables["certs_renew_only"])
    for name in only:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"those there are: {', '.join(sorted(known))}"
            raise InputError(f"there is no certificate {name} to renew", hint=hint)
    if how.apply_sans and (how.only or how.within or how.everything):
        raise InputError("--apply-sans goes by names, not by time", hint="leave --only, --within and --all out")
    if how.everything:
        return only, ""
    within = str(variables["certs_renew_within"]) if how.within is None else how.within
    _seconds(within)
    return only, within


def _copied(spec: ClusterSpec) -> list[str]:
    """Where copies of admin.conf may be, on control planes."""
    return [str(path) for path in spec.group("kube_control_plane")[0].variables["certs_renew_kubeconfigs"]]


def _seconds(within: str) -> float | None:
    from kprov.certs.duration import seconds

    return seconds(within) if within else None


def _look(spec: ClusterSpec, connections: Connections) -> Inventory:
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


def _away(found: Inventory) -> list[Problem]:
    """Workers that could not be asked: their kubelets are left as they are."""
    return [Problem("warning", "unread", one.why, host=one.host) for one in found.unread if one.what == "host"]


def _external(renewal: Renewal) -> list[Problem]:
    return [
        Problem(
            "warning",
            "external-ca",
            f"{item.name} is not renewed: the key of its CA is not on the node",
            host=item.host,
            hint="have a new one signed where that CA is",
        )
        for item in renewal.external
    ]


def _by_names(
    before: Inventory, spec: ClusterSpec, hosts: Sequence[str], problems: list[Problem]
) -> tuple[Renewal, tuple[str, ...], str]:
    """What lacks names; certificates and span for the backup before it. Adds what nobody here can issue to problems."""
    from kprov.certs.renewal import plan_names
    from kprov.certs.rules.identity import lacking

    found = list(lacking(before, spec))
    problems += _not_issued(found, hosts)
    renewal = plan_names(found, hosts)
    return renewal, tuple(sorted({item for names in renewal.names.values() for item in names})), ""


def _not_issued(lacking: Iterable[tuple[Item, list[str]]], hosts: Sequence[str]) -> list[Problem]:
    """Certificates that lack names, and that neither kubeadm nor the owner of another CA issues."""
    from kprov.certs.item import Renewer

    by_us = (Renewer.KUBEADM, Renewer.EXTERNAL)
    left = [(item, names) for item, names in lacking if item.host in hosts and item.renewer not in by_us]
    return [
        Problem(
            "warning",
            "san-missing",
            f"{item.name} ({item.place}) is not valid for {', '.join(names)}, and kubeadm has not issued it",
            host=item.host,
            hint="issue it again with what made it",
        )
        for item, names in left
    ]


def _own_kubeconfig(spec: ClusterSpec, options: Options, items: Sequence[Renewed]) -> Path | Problem | None:
    """What `kprov kubeconfig` wrote on this machine gets the renewed certificate, too; its path if it did."""
    from kprov.commands.kubeconfig import refresh

    replaced = {one.before.certificate for one in items if one.before.name == "admin.conf" and not one.problem}
    try:
        everywhere = Options(options.inventory, options.accept_new_host_keys)  # not only --host
        return refresh(everywhere, spec.name, replaced) if replaced else None
    except (KprovError, ValueError) as error:
        return Problem("warning", "kubeconfig-left", f"your kubeconfig is as it was: {error}")
