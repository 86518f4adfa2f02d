"""What a renewal answers: items with their proof, what failed, in which state each then is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kprov.errors import ExitCode, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from kprov.certs.item import Item
    from kprov.certs.renewal import Renewal, Renewed
    from kprov.engine.certs_renew import Ran

AGAIN = "the same command again goes on from here"


def unproven(items: Sequence[Renewed], ran: Ran) -> list[Problem]:
    """What failed, and each item that is not renewed or not in use, by host."""
    problems = [
        Problem("error", "renewal-failed", f"{event.task}: {event.msg}", host=event.host, hint=f"log: {ran.log}")
        for event in ran.outcome.failures
    ]
    return problems + [
        Problem(
            "error",
            "not-in-use" if one.changed else "not-renewed",
            f"{one.before.name}: {one.problem}",
            host=one.before.host,
            hint=AGAIN,
        )
        for one in items
        if one.problem
    ]


def summary(items: Sequence[Renewed], ran: Ran, seconds: float) -> str:
    """The line below the table."""
    good = sum(not one.problem for one in items)
    said = f"{good} of {len(items)} certificates are renewed and in use, {seconds:.0f} s; log {ran.log}"
    kept = "; ".join(f"{host} {size / 1e6:.1f} MB" for host, size in ran.backups.items())
    return said + (f"; backup fetched: {kept}" if kept else "")


def report(
    operation: str,
    cluster: str,
    done: str,
    problems: Sequence[Problem],
    code: ExitCode,
    started: float,
    *,
    items: Sequence[Renewed] = (),
    planned: Renewal | None = None,
    ran: Ran | None = None,
) -> Result:
    """operation: as typed. done: the line below the table; started: by time.monotonic(); planned: of a dry run."""
    from kprov.ui.renewal_table import renewed_table

    data: dict[str, Any] = {
        "cluster": cluster,
        "changed": any(one.changed for one in items),
        "items": [_item(one) for one in items],
        "planned": [
            {
                "host": work.host,
                "renew": [item.name for item in work.due],
                "unused": [item.name for item in work.unused],
                "copies": [item.place for item in work.copies],
            }
            for work in ((*planned.etcd, *planned.work) if planned else ())
        ],
        "backup_bytes": dict(ran.backups) if ran else {},
        "seconds": round(time.monotonic() - started, 2),
        "log": str(ran.log) if ran else None,
    }
    kind = operation.replace(" ", ".")
    return Result(kind, data, lambda out: renewed_table(out, cluster, items, done), problems, code)


def _item(one: Renewed) -> dict[str, Any]:
    return {
        "host": one.before.host,
        "item": one.before.name,
        "old": _certificate(one.before),
        "new": _certificate(one.after),
        "proof": one.proof or None,
        "problem": one.problem or None,
    }


def _certificate(item: Item | None) -> dict[str, str] | None:
    if item is None:
        return None
    found = item.certificate
    return {"serial": found.serial, "sha256": found.fingerprint, "not_after": found.not_after.isoformat()}
