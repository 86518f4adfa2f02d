"""`kprov certs ...`: everything that expires."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, cast

import typer

from kprov.cli.finish import finish
from kprov.cli.options import AcceptNewHostKeys, Format, Inventory, InventoryOption, Limit, Output, cluster_options

certs_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Certificates: check all that expire, on disk and on the wire. For any kubeadm cluster, kprov's or not.",
)


class CheckFormat(StrEnum):
    """How the check's result is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    PROMETHEUS = "prometheus"


@certs_app.command()
def check(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    warn: Annotated[str, typer.Option("--warn", metavar="SPAN", help="Less than this left is a warning.")] = "30d",
    crit: Annotated[str, typer.Option("--crit", metavar="SPAN", help="Less than this left is critical.")] = "7d",
    local: Annotated[
        bool, typer.Option("--local", help="Look at this machine, as root, without inventory and SSH.")
    ] = False,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Annotated[
        CheckFormat, typer.Option("-o", "--output", help="Print the result like this.")
    ] = CheckFormat.TABLE,
) -> None:
    """Say what expires when, and whether what runs uses what is on disk. Changes nothing.

    Files, kubeconfigs and live sockets of all hosts. Works with the API server and etcd dead.

    Exit code 0: all is well, 2: warnings, 3: something critical, 4: nothing critical, but something could not be read.

    Example: kprov certs check inventory.ini --warn 60d -o wide
    """
    from kprov.commands.certs_check import CheckOptions, Form, certs_check

    documents = {CheckFormat.JSON: Format.JSON, CheckFormat.YAML: Format.YAML}
    form = cast(Form, "table" if output in documents else output.value)
    how = CheckOptions(warn, crit, local, form)
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    finish("certs.check", documents.get(output, Format.TABLE), lambda: certs_check(options, how))


@certs_app.command()
def schedule(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before changing anything.")] = False,
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Take the cluster's lock from an operation that is dead.")
    ] = False,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Let every node check its own certificates once a day, by a systemd timer that proves itself.

    Does nothing else, so that it is safe on a cluster that kprov has not made. `kprov up` does the same.

    Example: kprov certs schedule inventory.ini --yes
    """
    from kprov.cli.cluster import announce
    from kprov.commands.certs_schedule import certs_schedule
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    confirm = announce(ask=not yes)
    finish("certs.schedule", output, lambda: certs_schedule(options, confirm, err(), break_lock=break_lock))
