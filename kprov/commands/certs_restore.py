"""`kprov certs restore`: the certificates of a control plane as they were in a backup."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kprov.commands.certs_backups import look_at
from kprov.commands.context import Options, refuse_strangers
from kprov.engine.problems import module_warnings, phase_error
from kprov.errors import ConnectError, ExitCode, InputError, Interrupted, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory, Item, Machine


@dataclass(frozen=True)
class Back:
    """One item on the way back. backup: what the backup says of it, as kprov.certs.node.backups has it."""

    host: str
    name: str
    now: Item | None
    backup: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        """Whether the backup's certificate has ended."""
        return datetime.fromisoformat(self.backup["not_after"]).timestamp() <= time.time()

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """For people: the first digits of a serial are enough to tell two apart."""
        now = self.now.certificate.serial[:8] if self.now else "-"
        return self.host, self.name, now, self.backup["serial"][:8], self.backup["not_after"]

    def problem(self, after: Item | None) -> str | None:
        """Why it is not back and in use; None: it is."""
        if after is None:
            return "it cannot be read"
        if after.certificate.serial != self.backup["serial"]:
            return f"the file has serial {after.certificate.serial}"
        if after.served_equal is False:
            return "back on disk, but what runs does not use it"
        return None


@dataclass(frozen=True)
class RestoreOptions:
    """host: the control plane. backup: a name, None: the newest. only: kubeadm's names, all if empty.

    confirm: asked before anything changes, also in a dry run, with the name of the backup and what differs; returns
    False to stop.
    """

    host: str
    confirm: Callable[[str, Sequence[Back]], bool]
    backup: str | None = None
    only: tuple[str, ...] = ()
    dry_run: bool = False
    accept_expired: bool = False
    break_lock: bool = False


def certs_restore(options: Options, how: RestoreOptions, console: Console) -> Result:
    """Put a backup's certificates back on one control plane and prove that they are in use.

    Exit code 0: back and in use, or nothing differs; 2: --dry-run, something would be put back. Raises InputError for a
    backup that is not there or has ended, ConnectError, PhaseError.
    """
    from kprov.engine.certs_renew import Request, run_restore
    from kprov.spec.load import load
    from kprov.ui.run_display import PlainDisplay

    loaded = load(options.inventory)
    spec = loaded.spec
    refuse_strangers(spec, [how.host], "--host")
    if how.host not in [host.name for host in spec.group("kube_control_plane")]:
        raise InputError(f"{how.host} is no control plane", hint="kubeadm's certificates are on control planes")
    before = look_at(spec, [how.host], options)
    machine = _machine(before, how.host)
    backup = _backup(machine, how.backup)
    wanted = {name: about for name, about in backup["certificates"].items() if not how.only or name in how.only}
    missing = sorted({*how.only} - {*wanted})
    if missing:
        raise InputError(f"backup {backup['name']} has no {', '.join(missing)}", hint=f"it has {', '.join(wanted)}")
    todo = [
        Back(how.host, name, now, about)
        for name, about in wanted.items()
        if (now := before.named(how.host, name)) is None or now.certificate.serial != about["serial"]
    ]
    if not todo:
        return _result(spec.name, how.host, backup["name"], (), loaded.warnings, ExitCode.OK, "nothing differs from it")
    ended = [one for one in todo if one.ended]
    if ended and not how.accept_expired:
        raise InputError(
            f"in backup {backup['name']} {ended[0].name} ended at {ended[0].backup['not_after']}"
            + (f", and {len(ended) - 1} more" if len(ended) > 1 else ""),
            hint="`kprov certs backups` lists others; --accept-expired puts back what nobody accepts any more",
        )
    if not how.confirm(backup["name"], todo):
        raise Interrupted("stopped before any change")
    if how.dry_run:
        planned = [(one, one.now, None) for one in todo]
        said = "nothing was changed (--dry-run)"
        return _result(spec.name, how.host, backup["name"], planned, loaded.warnings, ExitCode.FOUND, said)
    with PlainDisplay(console) as display:
        request = Request(
            spec=spec,
            hosts=[how.host],
            only=how.only,
            within="",
            kubelets=[],
            etcd=[],
            recover=False,
            operation="certs restore",
            on_event=display.event,
            break_lock=how.break_lock,
            accept_new_host_keys=options.accept_new_host_keys,
        )
        ran = run_restore(request, backup["name"], accept_expired=how.accept_expired)
    if ran.outcome.interrupted:
        raise Interrupted("interrupted", hint="the same command again goes on from here")
    after = look_at(spec, [how.host], options)
    ends = [(one, after.named(how.host, one.name)) for one in todo]
    rows = [(one, now, one.problem(now)) for one, now in ends]
    if ran.outcome.failures and not any(problem is None for _, _, problem in rows):
        hint = "nothing was put back; mend it, then run the same command again"
        raise phase_error(ran.outcome.failures, ran.log, hint, operation=ran.operation)
    problems = [*loaded.warnings, *module_warnings(ran.outcome.warnings)]
    problems += [
        Problem("error", "restore-failed", f"{event.task}: {event.msg}", host=event.host, hint=f"log: {ran.log}")
        for event in ran.outcome.failures
    ]
    problems += [
        Problem("error", "not-in-use", f"{one.name}: {problem}", host=one.host) for one, _, problem in rows if problem
    ]
    code = ExitCode.PHASE if any(one.severity == "error" for one in problems) else ExitCode.OK
    good = sum(problem is None for _, _, problem in rows)
    said = f"{good} of {len(rows)} certificates are back and in use; log {ran.log}"
    return _result(spec.name, how.host, backup["name"], rows, problems, code, said)


def _machine(found: Inventory, host: str) -> Machine:
    machine = next((one for one in found.machines if one.host == host), None)
    if machine is None:
        why = next((one.why for one in found.unread if one.host == host), "no answer")
        raise ConnectError(f"{host} cannot be looked at: {why}", hint="nothing was changed")
    return machine


def _backup(machine: Machine, name: str | None) -> Mapping[str, Any]:
    by_name = {each["name"]: each for each in machine.backups}
    if not by_name:
        raise InputError(f"{machine.host} has no backups", hint="each renewal and each restore makes one")
    if name is not None and name not in by_name:
        raise InputError(f"{machine.host} has no backup {name}", hint=f"it has {', '.join(by_name)}")
    return by_name[name or max(by_name)]


def _result(
    cluster: str,
    host: str,
    backup: str,
    rows: Sequence[tuple[Back, Item | None, str | None]],
    problems: Sequence[Problem],
    code: ExitCode,
    said: str,
) -> Result:
    data = {
        "cluster": cluster,
        "host": host,
        "backup": backup,
        "items": [
            {
                "item": one.name,
                "before": one.now.certificate.serial if one.now else None,
                "backup": one.backup["serial"],
                "not_after": one.backup["not_after"],
                "now": now.certificate.serial if now else None,
                "problem": problem,
            }
            for one, now, problem in rows
        ],
    }
    return Result("certs.restore", data, lambda out: out.print(f"{host}, backup {backup}: {said}"), problems, code)
