"""`kprov verify`: prove that the cluster works."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options
from kprov.errors import ExitCode, Problem
from kprov.spec.cluster import ClusterSpec
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.verify.check import Check
    from kprov.verify.run import Verified


def verify(options: Options, *, keep: bool = False) -> Result:
    """Exit code 0: every check is green; 2: one is red. Raises CheckError when no API server answers.

    keep: leave the test namespace for a look; the next run removes it.
    """
    from kprov.spec.load import load

    loaded = load(options.inventory)
    return verify_spec(loaded.spec, options, keep=keep, warnings=loaded.warnings)


def verify_spec(
    spec: ClusterSpec,
    options: Options,
    *,
    keep: bool = False,
    settle: float = 0.0,
    warnings: tuple[Problem, ...] = (),
) -> Result:
    """The same for an inventory that is loaded already.

    settle: seconds that nodes and system pods may still take to become ready. Right after `kprov up` changed
    something it is more than 0: a pod that is just starting is not broken.
    """
    from kprov.engine.paths import controller_id
    from kprov.remote.ssh import Connections
    from kprov.verify.run import Request
    from kprov.verify.run import verify as run

    started = time.monotonic()
    with _alone(spec.name) as alone, Connections(accept_new_host_keys=options.accept_new_host_keys) as shell:
        request = Request(
            spec=spec,
            shell=shell,
            progress=options.progress,
            owner=controller_id(),
            alone=alone,
            keep=keep,
            settle=settle,
        )
        done = run(request)
    return _result(spec.name, done, warnings, time.monotonic() - started)


@contextmanager
def _alone(cluster: str) -> Iterator[bool]:
    """True while no other `kprov verify` of this controller runs on this cluster."""
    from kprov.engine.paths import cluster_home

    with (cluster_home(cluster) / "verify.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _result(cluster: str, done: Verified, warnings: tuple[Problem, ...], seconds: float) -> Result:
    red = [check for check in done.checks if not check.ok]
    data: dict[str, Any] = {
        "cluster": cluster,
        "control_plane": done.control_plane,
        "seconds": round(seconds, 2),
        "namespace_kept": done.kept,
        "leftovers_removed": list(done.removed),
        "checks": [check.data() for check in done.checks],
    }
    return Result(
        kind="verify",
        data=data,
        render=lambda console: _render(console, cluster, done, seconds),
        problems=(*warnings, *done.problems, *(problem for check in red for problem in _problems(check))),
        exit_code=ExitCode.FOUND if red else ExitCode.OK,
    )


def _problems(check: Check) -> list[Problem]:
    """One per host that a red check names."""
    return [
        Problem("error", check.id, row.message, host=row.host, hint=check.hint)
        for row in check.hosts
        if row.judged and not row.ok
    ]


def _render(console: Console, cluster: str, done: Verified, seconds: float) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "CHECK", "SECONDS", "WHAT WAS FOUND"):
        table.add_column(column, overflow="fold", justify="right" if column == "SECONDS" else "left")
    for check in done.checks:
        mark = "[yellow]skip[/yellow]" if check.skipped else "[green]ok[/green]" if check.ok else "[red]RED[/red]"
        table.add_row(mark, check.id, f"{check.seconds:.1f}" if check.seconds else "", escape(check.detail))
    console.print(table)
    red = sum(not check.ok for check in done.checks)
    outcome = f"{red} of {len(done.checks)} checks red" if red else f"all {len(done.checks)} checks green"
    console.print(f"{cluster}: {outcome} in {seconds:.1f} s, asked through {done.control_plane}")
    if done.kept:
        console.print(f"kept: namespace {done.kept}; the next `kprov verify` removes it", soft_wrap=True)
