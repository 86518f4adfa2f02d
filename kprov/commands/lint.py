"""`kprov lint`: settings that break nodes sooner or later, three columns wide: inventory, files, running."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, refuse_strangers
from kprov.errors import ConnectError, ExitCode, InputError
from kprov.ui.result import Result
from kprov.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.lint.rule import Row

MARKS = {"ok": "[green]ok[/green]", "warning": "[yellow]WARN[/yellow]", "error": "[red]ERROR[/red]", "unknown": "?"}


def lint(options: Options, *, everything: bool = False, skip: Collection[str] = ()) -> Result:
    """Exit code 0: nothing found; 2: findings; 4: none, but a host or the API server did not answer.

    everything: print the rows without findings, too. skip: ids of rules to leave out.
    Raises InputError for the inventory and for an unknown rule, ConnectError when no host answered.
    """
    from kprov.lint.judge import judge, problems
    from kprov.lint.look import look
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    _refuse_unknown(skip)
    loaded = load(options.inventory)
    refuse_strangers(loaded.spec, options.limit)
    hosts = [host for host in loaded.spec.hosts if not options.limit or host.name in options.limit]
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as shell:
        looked = look(loaded.spec, hosts, shell)
    if not looked.nodes:
        raise ConnectError("none of the hosts could be looked at", problems=looked.problems)
    rows = judge(looked.nodes, skip)
    found = problems(rows)
    code = ExitCode.FOUND if found else ExitCode.UNREADABLE if looked.problems else ExitCode.OK
    return Result(
        kind="lint",
        data={"cluster": loaded.spec.name, "rows": [row.data() for row in rows]},
        render=lambda console: _render(console, loaded.spec.name, rows, everything),
        problems=[*loaded.warnings, *looked.problems, *found],
        exit_code=code,
    )


def _refuse_unknown(skip: Collection[str]) -> None:
    from kprov.lint.rules import RULES

    known = [rule.id for rule in RULES]
    for name in skip:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the rules are {', '.join(known)}"
            raise InputError(f"--skip {name}: there is no such rule", hint=hint)


def _render(console: Console, cluster: str, rows: Sequence[Row], everything: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "RULE", "HOSTS", "INVENTORY", "FILES", "RUNNING"):
        table.add_column(column, overflow="fold")
    for hosts, row in _together([row for row in rows if everything or row.verdict != "ok"]):
        cells = (row.rule, " ".join(hosts), *(value or "-" for value in (row.spec, row.file, row.running)))
        table.add_row(MARKS[row.verdict], *map(escape, cells))
    if table.row_count:
        console.print(table)
    console.print(_summary(cluster, rows), soft_wrap=True)


def _together(rows: Sequence[Row]) -> list[tuple[list[str], Row]]:
    """Hosts of which a rule says the same are one line; findings before what is only not known."""
    groups: dict[tuple[Any, ...], tuple[list[str], Row]] = {}
    for row in rows:
        same = (row.rule, row.spec, row.file, row.running, row.verdict)
        groups.setdefault(same, ([], row))[0].append(row.host)
    return sorted(groups.values(), key=lambda group: ("error", "warning", "unknown", "ok").index(group[1].verdict))


def _summary(cluster: str, rows: Sequence[Row]) -> str:
    rules, hosts = len({row.rule for row in rows}), len({row.host for row in rows})
    found = [row for row in rows if row.found]
    unknown = sum(row.verdict == "unknown" for row in rows)
    rest = f"; {unknown} could not be judged" if unknown else ""
    if not found:
        return f"{cluster}: nothing found by {count(rules, 'rule')} on {count(hosts, 'host')}{rest}"
    ill = len({row.host for row in found})
    return f"{cluster}: {count(len(found), 'finding')} on {ill} of {count(hosts, 'host')}, {count(rules, 'rule')}{rest}"
