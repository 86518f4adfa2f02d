"""`kprov certs backups`: what was kept before renewals, on every control plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, refuse_strangers
from kprov.errors import ConnectError, ExitCode, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.item import Inventory
    from kprov.spec.cluster import ClusterSpec


def certs_backups(options: Options) -> Result:
    """Every backup on every control plane. Raises ConnectError when none can be asked."""
    from kprov.spec.load import load

    loaded = load(options.inventory)
    refuse_strangers(loaded.spec, options.limit)
    planes = [
        host.name for host in loaded.spec.group("kube_control_plane") if not options.limit or host.name in options.limit
    ]
    found = look_at(loaded.spec, planes, options)
    away = [Problem("warning", "unread", one.why, host=one.host) for one in found.unread if one.what == "host"]
    if len(away) == len(planes):
        raise ConnectError("no control plane can be looked at", problems=away)
    listed = [
        {
            "host": machine.host,
            "backup": each["name"],
            "certificates": len(each["certificates"]),
            "not_after": min((one["not_after"] for one in each["certificates"].values()), default=None),
            "etcd_bytes": (each["etcd"] or {}).get("bytes"),
        }
        for machine in found.machines
        for each in machine.backups
    ]
    code = ExitCode.PARTIAL if away else ExitCode.OK
    data = {"cluster": loaded.spec.name, "backups": listed}
    return Result("certs.backups", data, lambda out: _list(out, listed), [*loaded.warnings, *away], code)


def look_at(spec: ClusterSpec, names: Sequence[str], options: Options) -> Inventory:
    """What `certs check` finds, on these hosts only."""
    from kprov.certs.look import look
    from kprov.remote.ssh import Connections

    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        return look(spec, [spec.host(name) for name in names], connections)


def _list(console: Console, listed: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("HOST", "BACKUP", "CERTIFICATES", "FIRST ENDS", "SNAPSHOT OF ETCD"):
        table.add_column(column)
    for one in listed:
        size = f"{one['etcd_bytes'] / 1e6:.1f} MB" if one["etcd_bytes"] else "-"
        table.add_row(one["host"], one["backup"], str(one["certificates"]), one["not_after"] or "-", size)
    console.print(table)
