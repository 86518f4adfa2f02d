"""`kprov reserve`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kprov.cli.finish import finish
from kprov.cli.options import AcceptNewHostKeys, Format, Inventory, InventoryOption, Limit, Output, cluster_options


class Profile(StrEnum):
    """As kubelet_reservation_profile."""

    GKE = "gke"
    EKS = "eks"
    AKS = "aks"
    STATIC = "static"


def reserve(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    cpu: Annotated[str | None, typer.Option("--cpu", help="CPUs of a machine that is in no inventory.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="Its memory, such as 32Gi.")] = None,
    storage: Annotated[str | None, typer.Option("--storage", help="Its disk, such as 100Gi.")] = None,
    max_pods: Annotated[int | None, typer.Option("--max-pods", min=1, help="Instead of kubelet_max_pods.")] = None,
    profile: Annotated[
        Profile | None, typer.Option("--profile", help="Instead of kubelet_reservation_profile.")
    ] = None,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Say how much of a node pods can use, and why.

    Example: kprov reserve --cpu 8 --memory 32Gi --profile gke
    """
    from kprov.commands.reserve import WhatIf, reserve_inventory, reserve_machine

    what_if = WhatIf(profile.value if profile else None, max_pods)
    if cpu is None and memory is None and storage is None:
        options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
        finish("reserve", output, lambda: reserve_inventory(options, what_if))
    if inventory or inventory_option or limit:
        raise typer.BadParameter("--cpu, --memory and --storage are of a machine that is in no inventory")
    if cpu is None or memory is None:
        raise typer.BadParameter("a machine has both: --cpu 8 --memory 32Gi")
    finish("reserve", output, lambda: reserve_machine(cpu, memory, storage, what_if))
