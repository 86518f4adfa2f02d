"""`kprov logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.finish import finish
from kprov.cli.options import AcceptNewHostKeys, Format, Inventory, InventoryOption, Output, cluster_options

if TYPE_CHECKING:
    from kprov.commands.logs import Line


def logs(
    host: Annotated[str, typer.Argument(help="A host of the inventory.")],
    unit: Annotated[
        str, typer.Argument(help="A unit of systemd; `runtime`: those of the container runtime.")
    ] = "kubelet",
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help='As journalctl: "10 min ago", "14:00", today.')
    ] = None,
    lines: Annotated[
        int | None, typer.Option("-n", "--lines", min=1, help="At most so many, the last ones. [200 without --since]")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines until Ctrl-C.")] = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what a service of a node has written to its journal. Needs SSH only; the API server may be dead.

    Example: kprov logs w1 kubelet -i inventory.ini --since "10 min ago"
    """
    from kprov.commands.logs import Asked
    from kprov.commands.logs import logs as run
    from kprov.ui.console import out
    from kprov.ui.journal import print_line

    if follow and output is not Format.TABLE:
        raise typer.BadParameter("--follow never ends, and JSON and YAML are printed at the end", param_hint="--follow")

    def show(line: Line) -> None:
        print_line(out(), line)

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("logs", output, lambda: run(options, Asked(host, unit, since, lines), show if follow else None))
