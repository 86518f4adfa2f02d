"""`kprov certs renew`: certificates renewed on one control plane after another, and the proof that they are in use."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from kprov.commands.context import Options
from kprov.commands.renewal_report import report
from kprov.commands.renewal_run import Job, RunOptions, control_planes, look_at, run_job
from kprov.errors import ExitCode, InputError, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory, Item
    from kprov.certs.renewal import Renewal
    from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class RenewOptions(RunOptions):
    """only: kubeadm's names, all if empty. within: as typed, None: the inventory's. everything: whatever is left.

    apply_sans: not by time, but what lacks names of the inventory.
    """

    only: tuple[str, ...] = ()
    within: str | None = None
    everything: bool = False
    apply_sans: bool = False


def certs_renew(options: Options, how: RenewOptions, console: Console) -> Result:
    """Renew what is due. Nothing due and everything in use: Ansible is not even started.

    Raises InputError, ConnectError when a control plane cannot be looked at, PhaseError when the run failed before it
    changed a certificate.
    """
    from kprov.certs.node.known import KUBEADM
    from kprov.certs.renewal import KUBELET_CLIENT, KUBELET_SERVER, plan
    from kprov.engine.certs_renew import RENEW
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    started = time.monotonic()
    loaded = load(options.inventory)
    spec = loaded.spec
    hosts = control_planes(spec, options.limit)
    only = wanted_names(spec, how.only, KUBEADM | {KUBELET_CLIENT, KUBELET_SERVER})
    within = wanted_span(spec, how.within, everything=how.everything)
    if how.apply_sans and (how.only or how.within or how.everything):
        raise InputError("--apply-sans goes by names, not by time", hint="leave --only, --within and --all out")
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        before = look_at(spec, connections)
        problems = [*loaded.warnings, *_away(before)]
        if how.apply_sans:
            renewal, only, within = _by_names(before, spec, hosts, problems)
            done = "nothing to issue: what kubeadm has issued for servers has all names of the inventory"
        else:
            renewal = plan(before, hosts, only, span(within), _copied(spec))
            done = _nothing(renewal, within)
        problems += [*_external(renewal), *_broken(before, hosts)]
        if not renewal:
            return report(RENEW, spec.name, done, problems, ExitCode.OK, started)
        job = Job(RENEW, spec, renewal, before, problems, started, only, within)
        return run_job(job, options, how, connections, console)


def wanted_names(spec: ClusterSpec, only: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """From the command line, else from the inventory. Raises InputError for a name that is not known."""
    variables = spec.group("kube_control_plane")[0].variables
    only = only or tuple(str(name) for name in variables["certs_renew_only"])
    for name in only:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"those there are: {', '.join(sorted(known))}"
            raise InputError(f"there is no certificate {name} to renew", hint=hint)
    return only


def wanted_span(spec: ClusterSpec, within: str | None, *, everything: bool) -> str:
    """As text, "" for however long: from the command line, else from the inventory. Raises InputError."""
    if everything:
        return ""
    text = str(spec.group("kube_control_plane")[0].variables["certs_renew_within"]) if within is None else within
    span(text)
    return text


def span(within: str) -> float | None:
    """Seconds; None for however many. Raises InputError."""
    from kprov.certs.duration import seconds

    return seconds(within, "--within") if within else None


def _copied(spec: ClusterSpec) -> list[str]:
    """Where copies of admin.conf may be, on control planes."""
    return [str(path) for path in spec.group("kube_control_plane")[0].variables["certs_renew_kubeconfigs"]]


def _nothing(renewal: Renewal, within: str) -> str:
    if renewal.external:
        return "nothing to renew: what is due is signed by a CA whose key is not on the nodes"
    return f"nothing to renew: everything has more than {within} left and is in use"


def _away(found: Inventory) -> list[Problem]:
    """Workers that could not be asked: their kubelets are left as they are."""
    return [Problem("warning", "unread", one.why, host=one.host) for one in found.unread if one.what == "host"]


def _external(renewal: Renewal) -> list[Problem]:
    from kprov.certs.renewal import of_kubeadm

    return [
        Problem(
            "warning",
            "external-ca",
            f"{item.name} is not renewed: the key of its CA is not on the node",
            host=item.host,
            hint="`kprov certs csr export` asks who has it for a new one"
            if of_kubeadm(item)
            else "it is not kubeadm's: ask who has it for a new one by hand",
        )
        for item in renewal.external
    ]


def _broken(found: Inventory, hosts: Sequence[str]) -> list[Problem]:
    """kubeconfigs in which there is nothing to renew."""
    from kprov.certs.finding import Limits
    from kprov.certs.rules.kubeconfigs import whole

    return [
        Problem("warning", one.code, f"{one.name} is not renewed: {one.message}", host=one.host, hint=one.hint)
        for one in whole(found, Limits(0, 0))
        if one.host in hosts
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
