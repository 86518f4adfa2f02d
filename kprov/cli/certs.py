"""`kprov certs ...`: everything that expires."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kprov.cli.ask import announce_plan, asking
from kprov.cli.certs_csr import csr_app
from kprov.cli.certs_kubeconfig import kubeconfig_app
from kprov.cli.certs_rotate_ca import rotate_ca
from kprov.cli.finish import finish
from kprov.cli.options import (
    AcceptNewHostKeys,
    AcceptOutage,
    BreakLock,
    Format,
    Inventory,
    InventoryOption,
    Limit,
    Output,
    Yes,
    cluster_options,
    split_names,
)

if TYPE_CHECKING:
    from kprov.certs.item import Inventory as Found
    from kprov.certs.renewal import Renewal

certs_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Certificates: check all that expire, renew kubeadm's. For any kubeadm cluster, kprov's or not.",
)
certs_app.add_typer(csr_app, name="csr")
certs_app.add_typer(kubeconfig_app, name="kubeconfig")


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
    renew: Annotated[
        bool | None,
        typer.Option(
            "--renew/--no-renew",
            help="Control planes renew their own certificates in a window. Default: certificates_renew.",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", metavar="WINDOW", help="'Sun 02:00-04:00'. Default: certificates_renew_window."),
    ] = None,
    yes: Yes = False,
    break_lock: BreakLock = False,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Let every node check its own certificates once a day, by a systemd timer that proves itself.

    Does nothing else, so that it is safe on a cluster that kprov has not made. `kprov up` does the same.
    With --renew each control plane also renews what is due, in a maintenance window, one control plane at a time.

    Example: kprov certs schedule inventory.ini --renew --window 'Sun 02:00-04:00'
    """
    from kprov.commands.certs_schedule import Wish, certs_schedule
    from kprov.ui.console import err

    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    confirm = asking("change these hosts?", announce_plan, yes=yes)
    wish = Wish(renew, window)
    finish("certs.schedule", output, lambda: certs_schedule(options, confirm, err(), break_lock=break_lock, wish=wish))


@certs_app.command()
def renew(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ITEM", help="Only this: apiserver, admin.conf, ...; may be repeated."),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="HOST", help="Only on this control plane; may be repeated.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="SPAN", help="Renew what has less than this left. Default: 30d.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Renew however much is left.")] = False,
    apply_sans: Annotated[
        bool,
        typer.Option(
            "--apply-sans",
            help="Issue again, with them, what lacks names or addresses of the inventory; renew nothing else.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done. Exit code 2: something.")] = False,
    accept_outage: AcceptOutage = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Renew the certificates that kubeadm issued, one control plane at a time, and prove that they are in use.

    Before any change: every member of etcd is healthy, etcd and /etc/kubernetes are backed up.

    Exit code 0: renewed and in use, or nothing to do; 13: something failed. The same command again goes on.

    Example: kprov certs renew inventory.ini --within 60d
    """
    from kprov.commands.certs_renew import RenewOptions, certs_renew
    from kprov.ui.console import err

    how = RenewOptions(
        only=split_names(only),
        within=within,
        everything=everything,
        apply_sans=apply_sans,
        dry_run=dry_run,
        accept_outage=accept_outage,
        break_lock=break_lock,
        confirm=asking("renew these?", announce_renewal, yes=yes or dry_run),
    )
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, host)
    finish("certs.renew", output, lambda: certs_renew(options, how, err()))


@certs_app.command()
def backups(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """List the backups that renewals have made on the control planes. Changes nothing.

    Example: kprov certs backups inventory.ini
    """
    from kprov.commands.certs_backups import certs_backups

    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    finish("certs.backups", output, lambda: certs_backups(options))


@certs_app.command()
def restore(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The control plane.")],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    backup: Annotated[
        str | None, typer.Option("--from", metavar="BACKUP", help="As `kprov certs backups` lists it. Default: newest.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ITEM", help="Only this: apiserver, admin.conf, ...; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done. Exit code 2: something.")] = False,
    accept_expired: Annotated[
        bool, typer.Option("--accept-expired", help="Also put certificates back that have ended.")
    ] = False,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Put the certificates of a backup back on one control plane, and prove that they are in use again.

    What is there now is backed up before. CAs, the service account's key and manifests stay as they are.

    Example: kprov certs restore inventory.ini --host cp1 --from 20260601T020000Z --dry-run
    """
    from kprov.commands.certs_restore import RestoreOptions, certs_restore
    from kprov.ui.console import err
    from kprov.ui.restore_table import print_restore

    confirm = asking(
        "put these back?",
        lambda name, todo: print_restore(err(), name, [one.row for one in todo]),
        yes=yes or dry_run,
    )
    how = RestoreOptions(host, confirm, backup, split_names(only), dry_run, accept_expired, break_lock)
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, None)
    finish("certs.restore", output, lambda: certs_restore(options, how, err()))


def announce_renewal(renewal: Renewal, found: Found, control_planes: int) -> None:
    """What is renewed, what restarts, what becomes of the API."""
    from kprov.ui.console import err
    from kprov.ui.renewal_table import print_renewal

    print_renewal(err(), renewal, found, control_planes)


certs_app.command("rotate-ca")(rotate_ca)  # last in the help: it is rarely needed
