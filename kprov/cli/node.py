"""`kprov node ...`: one node of a cluster."""

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
)

if TYPE_CHECKING:
    from kprov.node_clean.candidates import Candidate

node_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="One node of a cluster: make room on its disks."
)


@node_app.callback()
def node() -> None:
    """Makes this a group although it has one command so far."""


@node_app.command()
def clean(
    node: Annotated[str, typer.Argument(help="A host of the inventory.")],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    keep_journal: Annotated[
        str,
        typer.Option(
            "--keep-journal", metavar="SIZE", help="So much of the archived journal stays, the newest; 200Mi, 1Gi, 0."
        ),
    ] = "200Mi",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List it and remove nothing. Exit code 2: there is something.")
    ] = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Make room on a node without harm: dead containers, then unused images, then archived journals.

    The last ended container of every name stays, for `kubectl logs --previous`; so do images that kprov brought.
    Volumes, logs of containers and all that runs are never touched. Works with the API server dead and the disk full.

    Exit code 0: removed, or nothing to remove; 15: something listed could not be removed.

    Example: kprov node clean w1 inventory.ini --dry-run

    Example: kprov node clean w1 -i inventory.ini --keep-journal 50Mi --yes
    """
    from kprov.commands.node_clean import How, node_clean
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    confirm = asking("remove these?", _announce, yes=yes)
    how = How(node, confirm, dry_run=dry_run, keep_journal=keep_journal, break_lock=break_lock)
    finish("node.clean", output, lambda: node_clean(options, how, err()))


def _announce(todo: Sequence[Candidate]) -> None:
    from kprov.ui.clean_table import print_candidates
    from kprov.ui.console import err

    print_candidates(err(), todo)
