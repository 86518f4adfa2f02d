"""`kprov certs kubeconfig rebuild`: kubeadm's kubeconfigs on control planes that are missing or broken, made anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from kprov.commands.certs_backups import look_at
from kprov.commands.context import Options
from kprov.commands.renewal_report import AGAIN
from kprov.commands.renewal_run import control_planes, failed
from kprov.engine.problems import module_warnings
from kprov.errors import ConnectError, ExitCode, InputError, Interrupted, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory, Item
    from kprov.engine.certs_renew import Ran
    from kprov.spec.cluster import ClusterSpec

SUPER_ADMIN = "super-admin.conf"
# What a finding says may have text of a certificate in it, which Ansible would take for a template.
FOUND = "kprov certs check finds it broken"
UNUSED = "it is in order, but what runs was started before it"


@dataclass(frozen=True)
class Broken:
    """A file of a control plane that has to be rebuilt. why: as a finding says. unused: in order, not in use."""

    host: str
    name: str
    why: str
    unused: bool = False


@dataclass(frozen=True)
class RebuildOptions:
    """files: their names. hosts: control planes, all if empty.

    confirm: asked before anything changes, also in a dry run, with what is to be done; returns False to stop.
    """

    files: tuple[str, ...]
    hosts: tuple[str, ...]
    confirm: Callable[[Sequence[Broken]], bool]
    dry_run: bool = False
    break_lock: bool = False


def certs_kubeconfig_rebuild(options: Options, how: RebuildOptions, console: Console) -> Result:
    """Rebuild those of these files that are missing or broken, and prove that they are in use.

    Exit code 0: rebuilt and in use, or all are in order; 2: --dry-run, something would be rebuilt. Raises InputError,
    also where the CA's key is not on the node; ConnectError; PhaseError when no file was rebuilt.
    """
    from kprov.spec.load import load

    _refuse_unknown(how)  # first: FILE and INVENTORY are easily given the other way round
    loaded = load(options.inventory)
    spec = loaded.spec
    hosts = control_planes(spec, how.hosts)
    before = _look(spec, hosts, options)
    todo = broken(before, hosts, how.files)
    if not todo:
        said = f"nothing to rebuild: {', '.join(how.files)} in order on {', '.join(hosts)}"
        return _result(spec.name, (), loaded.warnings, ExitCode.OK, said)
    _refuse_external(before, todo)
    if not how.confirm(todo):
        raise Interrupted("stopped before any change")
    if how.dry_run:
        planned = [Row(one) for one in todo]
        return _result(spec.name, planned, loaded.warnings, ExitCode.FOUND, "nothing was changed (--dry-run)")
    ran, proofs = _run(spec, todo, options, how, console)
    if ran.outcome.interrupted:
        raise Interrupted("interrupted", hint=AGAIN)
    after = _look(spec, hosts, options)
    rows = _rows(todo, after, proofs)
    if ran.outcome.failures and all(row.problem for row in rows):
        raise failed(ran, "no file was rebuilt; mend it, then run the same command again")
    problems = [*loaded.warnings, *module_warnings(ran.outcome.warnings)]
    problems += [
        Problem("error", "rebuild-failed", f"{event.task}: {event.msg}", host=event.host, hint=f"log: {ran.log}")
        for event in ran.outcome.failures
    ]
    problems += [
        Problem("error", "not-rebuilt", f"{row.file.name}: {row.problem}", host=row.file.host, hint=AGAIN)
        for row in rows
        if row.problem
    ]
    code = ExitCode.PHASE if any(one.severity == "error" for one in problems) else ExitCode.OK
    good = sum(row.problem is None for row in rows)
    said = f"{good} of {len(rows)} kubeconfigs are rebuilt and in order; what was there: `kprov certs backups`"
    return _result(spec.name, rows, problems, code, f"{said}; log {ran.log}", str(ran.log))


def broken(found: Inventory, hosts: Sequence[str], files: Sequence[str]) -> list[Broken]:
    """What has to be done, host by host. Pure."""
    from kprov.certs.finding import Limits
    from kprov.certs.kubeconfig import certificate, problem
    from kprov.certs.rules import judge

    findings = judge(found, Limits(0, 0))
    todo = []
    for host in hosts:
        for name in dict.fromkeys(files):
            why = problem(findings, found, host, name)
            item = certificate(found, host, name)
            if why:
                todo.append(Broken(host, name, why))
            elif item and item.name == name and item.served_equal is False:
                todo.append(Broken(host, name, UNUSED, unused=True))
    return todo


@dataclass(frozen=True)
class Row:
    """What has become of a file. item: that it logs in with now; proof: how it is known to be in use."""

    file: Broken
    item: Item | None = None
    proof: str | None = None
    problem: str | None = None


def _rows(todo: Sequence[Broken], after: Inventory, proofs: Mapping[tuple[str, str], str]) -> list[Row]:
    from kprov.certs.kubeconfig import certificate

    left = {
        (one.host, one.name): one.why for one in broken(after, [one.host for one in todo], [one.name for one in todo])
    }
    return [
        Row(
            one,
            certificate(after, one.host, one.name),
            proofs.get((one.host, one.name)),
            left.get((one.host, one.name)),
        )
        for one in todo
    ]


def _refuse_unknown(how: RebuildOptions) -> None:
    from kprov.certs.node.known import IDENTITIES

    if not how.files:
        raise InputError("no kubeconfig is named", hint=f"kubeadm makes {', '.join(IDENTITIES)}")
    for name in how.files:
        if name not in IDENTITIES:
            close = get_close_matches(name, IDENTITIES, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(f"kubeadm makes no kubeconfig {name}", hint=f"{hint}it makes {', '.join(IDENTITIES)}")
    if SUPER_ADMIN in how.files and not how.hosts:
        raise InputError(
            f"{SUPER_ADMIN} is rebuilt only on a control plane that --host names",
            hint="nobody can take its rights away again: no control plane should have it",
        )


def _refuse_external(found: Inventory, todo: Sequence[Broken]) -> None:
    for one in todo:
        ca = found.named(one.host, "ca")
        if ca is None or ca.key is None:
            raise InputError(
                f"{one.host}: {one.name}: {one.why}; the CA's key is not on the node, so nothing can be signed",
                hint="docs/how-to/external-ca.md: `kprov certs csr export` asks who has it for a new certificate",
            )
        if ca.left(found.now) <= 0:
            raise InputError(f"{one.host}: the CA has ended", hint="docs/how-to/rotate-ca.md says what to do")


def _look(spec: ClusterSpec, hosts: Sequence[str], options: Options) -> Inventory:
    found = look_at(spec, hosts, options)
    away = [one for one in found.unread if one.what == "host"]
    if away:
        problems = [Problem("error", "host-unreachable", one.why, host=one.host) for one in away]
        raise ConnectError("not all control planes can be looked at", problems=problems, hint="--host names others")
    return found


def _run(
    spec: ClusterSpec, todo: Sequence[Broken], options: Options, how: RebuildOptions, console: Console
) -> tuple[Ran, Mapping[tuple[str, str], str]]:
    """(what came of it, how it is known that a host's file is in use)."""
    from kprov.engine.certs_renew import Request, run_rebuild
    from kprov.engine.events import Event
    from kprov.ui.run_display import PlainDisplay

    files: dict[str, dict[str, str]] = {}
    for one in todo:
        files.setdefault(one.host, {})[one.name] = "" if one.unused else FOUND
    proofs: dict[tuple[str, str], str] = {}
    with PlainDisplay(console) as display:

        def on_event(event: Event) -> None:
            display.event(event)
            for proof in event.proofs:
                name, _, how_known = proof.partition(": ")
                proofs[event.host or "", name] = how_known

        request = Request(
            spec=spec,
            hosts=list(files),
            only=(),
            within="",
            kubelets=[],
            etcd=[],
            recover=False,
            operation="certs kubeconfig rebuild",
            on_event=on_event,
            break_lock=how.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
        )
        return run_rebuild(request, files), proofs


def _result(
    cluster: str, rows: Sequence[Row], problems: Sequence[Problem], code: ExitCode, said: str, log: str | None = None
) -> Result:
    from kprov.ui.rebuild_table import rebuilt_table

    data: dict[str, Any] = {
        "cluster": cluster,
        "changed": any(row.item is not None and row.problem is None for row in rows),
        "items": [_row(row) for row in rows],
        "log": log,
    }
    shown = [(row.file.host, row.file.name, row.item, row.proof or row.problem) for row in rows if row.item]
    return Result("certs.kubeconfig.rebuild", data, lambda out: rebuilt_table(out, shown, said), problems, code)


def _row(row: Row) -> dict[str, Any]:
    found = row.item.certificate if row.item else None
    return {
        "host": row.file.host,
        "item": row.file.name,
        "was": row.file.why,
        "subject": found.subject if found else None,
        "serial": found.serial if found else None,
        "not_after": found.not_after.isoformat() if found else None,
        "proof": row.proof,
        "problem": row.problem,
    }
