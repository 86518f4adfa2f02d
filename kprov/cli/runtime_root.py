"""`kprov runtime-root ...`: the container runtime's images and containers on another disk."""

from __future__ import annotations

from typing import Annotated

import typer

from kprov.cli.ask import announce_lines, asking
from kprov.cli.finish import finish
from kprov.cli.options import (
    AcceptNewHostKeys,
    BreakLock,
    Format,
    Inventory,
    InventoryOption,
    Output,
    Yes,
    cluster_options,
)

runtime_root_app = typer.Typer(
    no_args_is_help=True,
    help="Move a node's container runtime to another disk.\n\nDocker's data-root or containerd's root, with all in it.",
)

HostName = Annotated[str, typer.Option("--host", metavar="NODE", help="The node; one at a time.")]
Timeout = Annotated[int, typer.Option("--timeout", min=1, help="Seconds that pods get to leave the node.")]
EmptyDir = Annotated[
    bool, typer.Option("--delete-emptydir-data", help="Evict pods with emptyDir volumes, too; as kubectl drain has it.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Delete pods that no controller makes again; as kubectl drain has it.")
]


@runtime_root_app.command()
def migrate(
    host: HostName,
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look and say what would be done; change nothing.")
    ] = False,
    accept_outage: Annotated[
        bool, typer.Option("--accept-outage", help="Go on although the API server will be away meanwhile.")
    ] = False,
    timeout: Timeout = 300,
    delete_emptydir_data: EmptyDir = False,
    force: Force = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Move to the directory that container_runtime_root names.

    Drains the node, stops it, copies, compares, switches, proves. Run it again after a failure: it goes on.

    Example: kprov runtime-root migrate inventory.ini --host w1 --dry-run
    """
    from kprov.commands.runtime_root import How
    from kprov.commands.runtime_root import migrate as run
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    how = How(
        host,
        asking("migrate this node?", announce_lines, yes=yes),
        dry_run=dry_run,
        accept_outage=accept_outage,
        timeout=timeout,
        delete_emptydir_data=delete_emptydir_data,
        force=force,
        break_lock=break_lock,
    )
    finish("runtime-root.migrate", output, lambda: run(options, how, err()))


@runtime_root_app.command()
def confirm(
    host: HostName,
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Remove the old directory after a move: the one that kprov recorded, nothing else.

    Example: kprov runtime-root confirm inventory.ini --host w1
    """
    from kprov.commands.runtime_root import How
    from kprov.commands.runtime_root import confirm as run
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    how = How(host, asking("remove it?", announce_lines, yes=yes), break_lock=break_lock)
    finish("runtime-root.confirm", output, lambda: run(options, how, err()))


@runtime_root_app.command()
def abort(
    host: HostName,
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    keep_copy: Annotated[bool, typer.Option("--keep-copy", help="Leave the copy in the new directory.")] = False,
    timeout: Timeout = 300,
    delete_emptydir_data: EmptyDir = False,
    force: Force = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Go back to the old directory, at any step before confirm.

    Example: kprov runtime-root abort inventory.ini --host w1
    """
    from kprov.commands.runtime_root import How
    from kprov.commands.runtime_root import abort as run
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    how = How(
        host,
        asking("go back?", announce_lines, yes=yes),
        timeout=timeout,
        delete_emptydir_data=delete_emptydir_data,
        force=force,
        keep_copy=keep_copy,
        break_lock=break_lock,
    )
    finish("runtime-root.abort", output, lambda: run(options, how, err()))
