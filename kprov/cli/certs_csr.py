"""`kprov certs csr ...`: certificates whose CA is not on the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.ask import asking
from kprov.cli.finish import finish
from kprov.cli.options import (
    AcceptNewHostKeys,
    AcceptOutage,
    BreakLock,
    Format,
    Inventory,
    InventoryOption,
    Output,
    Yes,
    cluster_options,
    split_names,
)

csr_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Certificates whose CA is elsewhere: requests out, signed certificates in.",
)

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ITEM", help="Only this: apiserver, admin.conf, ...; may be repeated."),
]
HostOption = Annotated[
    list[str] | None, typer.Option("--host", metavar="HOST", help="Only this control plane; may be repeated.")
]


@csr_app.command()
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the requests go.")],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    only: Only = None,
    host: HostOption = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="SPAN", help="What has less than this left. Default: 30d.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="However much is left.")] = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Write a certificate request for each certificate that is due and whose CA has no key on its node.

    Each asks for what the present certificate says, with a new key that never leaves the node. Nothing in use changes.

    Example: kprov certs csr export inventory.ini --to requests/
    """
    from kprov.commands.certs_csr_export import certs_csr_export
    from kprov.commands.certs_renew import RenewOptions
    from kprov.ui.console import err

    how = RenewOptions(only=split_names(only), within=within, everything=everything, break_lock=break_lock)
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, host)
    finish("certs.csr.export", output, lambda: certs_csr_export(options, to, how, err()))


@csr_app.command("import")
def import_(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="With ITEM.crt beside each ITEM.csr.")],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    only: Only = None,
    host: HostOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and say what would be done. Exit code 2.")] = False,
    accept_outage: AcceptOutage = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Check signed certificates, put them in place one control plane at a time, and prove that they are in use.

    Nothing is changed unless each of them is what its request asked for. The same command again goes on.

    Example: kprov certs csr import inventory.ini --from requests/
    """
    from kprov.cli.certs import announce_renewal
    from kprov.commands.certs_csr_import import ImportOptions, certs_csr_import
    from kprov.ui.console import err

    how = ImportOptions(
        only=split_names(only),
        dry_run=dry_run,
        accept_outage=accept_outage,
        break_lock=break_lock,
        confirm=asking("renew these?", announce_renewal, yes=yes or dry_run),
    )
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, host)
    finish("certs.csr.import", output, lambda: certs_csr_import(options, source, how, err()))
