"""`kprov certs csr export`: requests for certificates whose CA is elsewhere, in a directory for its owner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.commands.certs_renew import RenewOptions, span, wanted_names, wanted_span
from kprov.commands.context import Options
from kprov.commands.renewal_report import AGAIN
from kprov.commands.renewal_run import control_planes, failed, look_at
from kprov.errors import ExitCode, Interrupted, Problem
from kprov.ui.result import Result
from kprov.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory, Item
    from kprov.engine.certs_renew import Ran
    from kprov.spec.cluster import ClusterSpec


def certs_csr_export(options: Options, directory: Path, how: RenewOptions, console: Console) -> Result:
    """Requests for what is due and signed by a CA elsewhere, in a directory. Nothing that is in use changes.

    When all of them wait on the hosts already, Ansible is not started. Raises InputError, ConnectError, PhaseError.
    """
    from kprov.certs.exchange import Wanted, listed, write
    from kprov.certs.item import Renewer
    from kprov.certs.node.known import KUBEADM
    from kprov.certs.renewal import external, of_kubeadm
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    started = time.monotonic()
    loaded = load(options.inventory)
    spec = loaded.spec
    hosts = control_planes(spec, options.limit)
    only = wanted_names(spec, how.only, KUBEADM) if how.only else ()
    within = wanted_span(spec, how.within, everything=how.everything)
    listed(directory, spec.name)
    ran = None
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        found = look_at(spec, connections)
        due = external(found, hosts, only, span(within))
        asked = [item for item in due if item.host in hosts and of_kubeadm(item)]
        problems = [*loaded.warnings, *_kubeadms(found, hosts, only), *_others(due)]
        if not asked:
            others = [i for i in found.items if i.host in hosts and i.renewer is Renewer.EXTERNAL]
            why = f"has more than {within} left (--all asks for it anyway)" if others else "is signed on its node"
            return _exported(spec, directory, [], f"nothing to ask for: everything {why}", problems, started, None)
        if not all(waits(found, item) for item in asked):
            ran = _make_requests(spec, asked, only, within, options, how, console)
            found = look_at(spec, connections)
    wanted = []
    for before in asked:
        item = found.named(before.host, before.name)
        authority = found.named(before.host, before.authority)
        machine = found.machine(before.host)
        if item is None or authority is None or machine is None or before.name not in machine.csrs:
            missing = "it, its CA's certificate or its request cannot be read"
            problems.append(Problem("error", "not-exported", f"{before.name}: {missing}", host=before.host))
            continue
        wanted.append(Wanted(item, machine.csrs[before.name], authority))
    entries = write(directory, spec.name, wanted)
    if any(problem.severity == "error" for problem in problems):
        done = f"{count(len(entries), 'request')} in {directory}, not all that were asked for"
    else:
        done = f"{count(len(entries), 'request')} in {directory}; put ITEM.crt beside each ITEM.csr, then csr import"
    return _exported(spec, directory, entries, done, problems, started, ran)


def waits(found: Inventory, item: Item) -> bool:
    """Whether a request waits that asks for what the certificate says, for another key than the one in use."""
    from cryptography import x509

    from kprov.certs.identity import identity

    machine = found.machine(item.host)
    text = machine.csrs.get(item.name) if machine else None
    if text is None:
        return False
    try:
        asked, present = identity(x509.load_pem_x509_csr(text.encode())), identity(item.certificate.x509)
    except ValueError:
        return False
    same = (asked.subject, asked.names, asked.key_usage, asked.extended_key_usage)
    return asked.public_key != present.public_key and same == (
        present.subject,
        present.names,
        present.key_usage,
        present.extended_key_usage,
    )


def _make_requests(
    spec: ClusterSpec,
    asked: Sequence[Item],
    only: Sequence[str],
    within: str,
    options: Options,
    how: RenewOptions,
    console: Console,
) -> Ran:
    from kprov.engine.certs_renew import EXPORT, Request, run_requests
    from kprov.ui.run_display import PlainDisplay

    with PlainDisplay(console) as display:
        request = Request(
            spec=spec,
            hosts=list(dict.fromkeys(item.host for item in asked)),
            only=only,
            within=within,
            kubelets=(),
            etcd=(),
            recover=False,
            on_event=display.event,
            break_lock=how.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
            operation=EXPORT,
        )
        ran = run_requests(request)
    if ran.outcome.interrupted:
        raise Interrupted("interrupted", hint=AGAIN)
    if ran.outcome.failures:
        raise failed(ran, "nothing that is in use was changed; mend it, then run the same command again")
    return ran


def _others(due: Sequence[Item]) -> list[Problem]:
    from kprov.certs.renewal import of_kubeadm

    return [
        Problem("warning", "not-kubeadm", f"{item.name} is not kubeadm's: ask for it by hand", host=item.host)
        for item in due
        if not of_kubeadm(item)
    ]


def _kubeadms(found: Inventory, hosts: Sequence[str], only: Sequence[str]) -> list[Problem]:
    """What was named and needs no other CA, or is not there."""
    from kprov.certs.item import Renewer

    problems = []
    for host in hosts:
        for name in only:
            item = found.named(host, name)
            if item is None:
                hint = "`kubeadm certs generate-csr` asks for what kubeadm would make"
                problems.append(Problem("warning", "not-there", f"{name} is not on this host", host=host, hint=hint))
            elif item.renewer is Renewer.KUBEADM:
                message = f"{name}: the key of its CA is on this host, so nobody else has to sign"
                problems.append(Problem("warning", "kubeadm", message, host=host, hint="kprov certs renew"))
    return problems


def _exported(
    spec: ClusterSpec,
    directory: Path,
    entries: Sequence[dict[str, Any]],
    done: str,
    problems: Sequence[Problem],
    started: float,
    ran: Ran | None,
) -> Result:
    from kprov.engine.certs_renew import EXPORT
    from kprov.ui.requests_table import requests_table

    data = {
        "cluster": spec.name,
        "changed": bool(ran and ran.outcome.changed),
        "directory": str(directory),
        "requests": list(entries),
        "seconds": round(time.monotonic() - started, 2),
        "log": str(ran.log) if ran else None,
    }
    code = ExitCode.PHASE if any(problem.severity == "error" for problem in problems) else ExitCode.OK
    kind = EXPORT.replace(" ", ".")
    return Result(kind, data, lambda out: requests_table(out, spec.name, entries, done), problems, code)
