"""`kprov certs rotate-ca`: a CA of the control plane gives way to a new one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kprov.cli.finish import finish
from kprov.cli.options import (
    AcceptNewHostKeys,
    BreakLock,
    Format,
    Inventory,
    InventoryOption,
    Output,
    cluster_options,
)


class Authority(StrEnum):
    """The CAs of a cluster, as kubeadm calls them."""

    CA = "ca"
    ETCD = "etcd-ca"
    FRONT_PROXY = "front-proxy-ca"


def rotate_ca(
    authority: Annotated[Authority, typer.Argument(metavar="CA", help="etcd-ca or front-proxy-ca.")],
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    replace: Annotated[
        str | None,
        typer.Option("--replace", metavar="SERIAL", help="Begin: the CA with this serial number is to go."),
    ] = None,
    apply: Annotated[bool, typer.Option("-y", "--yes", "--apply", help="Take the next step; else it is said.")] = False,
    all_steps: Annotated[bool, typer.Option("--all-steps", help="With --yes: take every step to the end.")] = False,
    accept_outage: Annotated[
        bool,
        typer.Option("--accept-outage", help="With fewer than 3 control planes, restart etcd and the API server."),
    ] = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Replace a CA of the control plane by a new one, a step at a time. Without --yes it only says which is next.

    First everything trusts both, then every leaf gets the new one's signature, then everything trusts only the new one.

    Exit code 0: a step was taken, or there is none; 2: there is one to take; 13: it failed. Run again, it goes on.

    Example: kprov certs rotate-ca front-proxy-ca inventory.ini --replace 3f2a90c11b7d05e4 --yes
    """
    from kprov.commands.certs_rotate_ca import RotateOptions, certs_rotate_ca
    from kprov.ui.console import err
    from kprov.ui.rotation_table import announce

    how = RotateOptions(
        authority=authority.value,
        replace=replace and replace.replace(":", "").lower().lstrip("0"),
        apply=apply,
        all_steps=all_steps,
        accept_outage=accept_outage,
        break_lock=break_lock,
        announce=lambda rotation: announce(err(), authority.value, rotation),
    )
    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("certs.rotate-ca", output, lambda: certs_rotate_ca(options, how, err()))
