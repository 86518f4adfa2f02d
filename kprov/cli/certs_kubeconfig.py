"""`kprov certs kubeconfig ...`: kubeadm's kubeconfigs on the control planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.ask import asking
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
    split_names,
)

if TYPE_CHECKING:
    from kprov.commands.certs_kubeconfig_rebuild import Broken

kubeconfig_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="kubeconfigs of the control planes: rebuild what is missing or broken.",
)


@kubeconfig_app.callback()
def _group() -> None:
    """A group, although it has one command."""


@kubeconfig_app.command()
def rebuild(
    files: Annotated[
        str,
        typer.Argument(
            metavar="FILE[,FILE...]",
            help="admin.conf, super-admin.conf, controller-manager.conf, scheduler.conf, kubelet.conf.",
        ),
    ],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="HOST", help="Only on this control plane; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done. Exit code 2: something.")] = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Make kubeconfigs anew that are missing, cut, somebody else's or ended, and prove that they are in use.

    kubeadm makes them beside the old ones; what is not verified replaces nothing. What is in order is left alone.
    Works with the API server dead. /etc/kubernetes is backed up before.

    Exit code 0: rebuilt, or nothing to do; 13: something failed. The same command again goes on.

    Example: kprov certs kubeconfig rebuild scheduler.conf inventory.ini --host cp1
    """
    from kprov.commands.certs_kubeconfig_rebuild import RebuildOptions, certs_kubeconfig_rebuild
    from kprov.ui.console import err

    how = RebuildOptions(
        files=split_names([files]),
        hosts=split_names(host),
        confirm=asking("rebuild these?", announce_rebuild, yes=yes or dry_run),
        dry_run=dry_run,
        break_lock=break_lock,
    )
    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("certs.kubeconfig.rebuild", output, lambda: certs_kubeconfig_rebuild(options, how, err()))


def announce_rebuild(todo: Sequence[Broken]) -> None:
    """What is wrong with which file, and what restarts."""
    from kprov.ui.console import err
    from kprov.ui.rebuild_table import print_rebuild

    print_rebuild(err(), [(one.host, one.name, one.why) for one in todo])
