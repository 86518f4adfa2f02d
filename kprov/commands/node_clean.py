"""`kprov node clean`: room on a node without harm, from what nobody needs any more. The API server may be dead."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Observed, Options, observe, refuse_strangers
from kprov.errors import AnsibleError, ExitCode, InputError, Interrupted, Problem
from kprov.node_clean.candidates import Candidate
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.engine.events import Event
    from kprov.node_clean.seen import Seen
    from kprov.spec.cluster import Host

Confirm = Callable[[Sequence[Candidate]], bool]


@dataclass(frozen=True)
class How:
    """What the user said. confirm: shows what will be removed and asks; keep_journal: a quantity, as typed."""

    node: str
    confirm: Confirm
    dry_run: bool = False
    keep_journal: str = "200Mi"
    break_lock: bool = False


def node_clean(options: Options, how: How, console: Console) -> Result:
    """Remove what was listed and is still needed by nobody. Nothing listed: Ansible is not even started.

    Raises InputError, ConnectError when the node does not answer, and what the run raises (operate).
    """
    from kprov.node_clean.candidates import candidates

    keep = _bytes(how.keep_journal)
    _refuse_other_order(options.inventory, how.node)
    observed = observe(options)
    refuse_strangers(observed.spec, [how.node], "NODE")
    host = observed.spec.host(how.node)
    found = _look(options, host)
    todo = candidates(found, keep)
    problems = [*observed.warnings, *_unread(host, found)]
    data = {"cluster": observed.spec.name, "node": host.name, "dry_run": how.dry_run, **_listed(found, todo)}
    if not todo:
        return _nothing(data, problems, found)
    if how.dry_run:
        said = "nothing was removed (--dry-run)"
        return _result({**data, "message": said}, problems, ExitCode.FOUND, todo)
    if not how.confirm(todo):
        raise Interrupted("nothing was removed")
    return _run(observed, host, found, todo, how, options, console, data, problems)


def _refuse_other_order(inventory: Path | None, node: str) -> None:
    if inventory is not None and not inventory.exists() and Path(node).exists():
        raise InputError(
            f"there is no inventory {inventory}", hint=f"NODE comes first: kprov node clean {inventory} {node}"
        )


def _bytes(text: str) -> int:
    from kprov.reserve.quantity import quantity

    number = quantity(text)
    if number is None or number < 0:
        raise InputError(f"--keep-journal {text}: not an amount of bytes", hint="such as 200Mi, 1Gi or 0")
    return int(number)


def _look(options: Options, host: Host) -> Seen:
    from kprov.node_clean.look import look
    from kprov.remote.ssh import Connections

    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        return look(host, connections)


def _unread(host: Host, found: Seen) -> list[Problem]:
    hint = "journals are looked at all the same; `kprov status` and `kprov logs NODE runtime` say more"
    return [
        Problem("warning", "probe-incomplete", f"not everything could be read: {error}", host=host.name, hint=hint)
        for error in found.errors
    ]


def _listed(found: Seen, todo: Sequence[Candidate]) -> dict[str, Any]:
    return {
        "found": [one.data() for one in todo],
        "bytes": sum(one.bytes for one in todo),
        "filesystems": [
            {
                "mount_point": file_system.mount_point,
                "path": path,
                "size": file_system.size,
                "free": file_system.free,
                "listed": sum(one.bytes for one in todo if one.path == path),
            }
            for path, file_system in found.filesystems.items()
        ],
    }


def _run(
    observed: Observed,
    host: Host,
    found: Seen,
    todo: Sequence[Candidate],
    how: How,
    options: Options,
    console: Console,
    data: dict[str, Any],
    problems: list[Problem],
) -> Result:
    from kprov.engine.operation import Operation, operate
    from kprov.ui.run_display import PlainDisplay

    started, reports = time.monotonic(), []
    problems += _without_lock(observed)
    of_runtime = any(one.kind != "journal" for one in todo)
    operation = Operation(
        name="node clean",
        playbooks=["node_clean"],
        spec=observed.spec,
        states=observed.states,
        variables={
            "node_clean_host": host.name,
            "node_clean": {
                "runtime": str(host.variables["container_runtime"]),
                "bin_dir": str(host.variables["bin_dir"]),
                "orders": [one.order() for one in todo],
                "root": found.root if of_runtime else "",
                "places": sorted({one.path for one in todo if one.kind == "journal"}),
            },
        },
        resume="`kprov node clean` again looks anew and removes what is left",
        break_lock=how.break_lock,
        accept_new_host_keys=options.accept_new_host_keys,
        makes_room=True,
    )
    with PlainDisplay(console) as display:

        def on_event(event: Event) -> None:
            if event.report:
                reports.append(event.report)
            display.event(event)

        outcome, log = operate(operation, on_event)
    if not reports:
        raise AnsibleError(outcome.exit_code, log)
    report = reports[-1]
    data = {
        **data,
        **{key: report[key] for key in ("removed", "skipped", "failed")},
        "filesystems": [{**one, **report["places"].get(one["path"], {})} for one in data["filesystems"]],
        "removed_bytes": sum(place["removed"] or 0 for place in report["places"].values()),
        "seconds": round(time.monotonic() - started, 1),
        "log": str(log),
        "module_calls": outcome.calls,
    }
    data["message"] = _said(data)
    problems += _failed(host, todo, report["failed"])
    return _result(data, problems, ExitCode.PARTIAL if report["failed"] else ExitCode.OK, todo)


def _without_lock(observed: Observed) -> list[Problem]:
    """The lock is on a control plane; a worker's disk does not wait for one to come back."""
    from kprov.phases.cluster_home import find_home

    home = find_home(observed.spec, observed.states)
    if home.host:
        return []
    return [Problem("warning", "no-lock", f"the cluster's lock was not taken: {home.obstacle}")]


def _said(data: dict[str, Any]) -> str:
    from kprov.words import count, size

    skipped = f"; {count(len(data['skipped']), 'thing')} left, because in use or gone" if data["skipped"] else ""
    return f"removed {size(data['removed_bytes'])}, listed: at least {size(data['bytes'])}{skipped}"


def _failed(host: Host, todo: Sequence[Candidate], failed: Sequence[dict[str, Any]]) -> list[Problem]:
    names = {one.id: one.name for one in todo}
    return [
        Problem("error", "not-removed", f"{one['kind']} {names[one['id']]}: {one['why']}", host=host.name)
        for one in failed
    ]


def _nothing(data: dict[str, Any], problems: list[Problem], found: Seen) -> Result:
    """With the runtime unread there may be something: then it is not said that all is well."""
    if found.errors:
        said = "nothing found to remove in what could be read"
        return _result({**data, "message": said}, problems, ExitCode.UNREADABLE, ())
    return _result({**data, "message": "nothing to remove"}, problems, ExitCode.OK, ())


def _result(data: dict[str, Any], problems: list[Problem], exit_code: ExitCode, todo: Sequence[Candidate]) -> Result:
    from kprov.ui.clean_table import print_cleaned

    return Result("node.clean", data, lambda console: print_cleaned(console, data, todo), problems, exit_code)
