"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kprov.commands.context import Options


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Inventory = Annotated[
    Path | None,
    typer.Argument(
        help="Inventory file or directory. Default: $KPROV_INVENTORY, inventory.ini, inventory/hosts.ini, ansible.cfg."
    ),
]
InventoryOption = Annotated[Path | None, typer.Option("-i", "--inventory", help="The same as the argument.")]
Output = Annotated[Format, typer.Option("-o", "--output", help="Print the result as a table, as JSON or as YAML.")]
AcceptNewHostKeys = Annotated[
    bool,
    typer.Option(
        "--accept-new-host-keys",
        help="Trust host keys never seen before, as OpenSSH's accept-new; changed keys are refused.",
    ),
]
Limit = Annotated[list[str] | None, typer.Option("--limit", metavar="HOST", help="Only this host; may be repeated.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="PHASE", help="Only this phase; may be repeated.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before changing anything.")]
BreakLock = Annotated[
    bool, typer.Option("--break-lock", help="Take the cluster's lock from an operation that is dead.")
]
AcceptOutage = Annotated[
    bool,
    typer.Option("--accept-outage", help="With fewer than 3 control planes, restart a server that does not reload."),
]
VerifyAll = Annotated[
    bool, typer.Option("--verify-all", help="Run every phase, whatever the records on the nodes say.")
]


def split_names(given: list[str] | None) -> tuple[str, ...]:
    """Of an option that may be repeated, or given once with commas."""
    return tuple(name for item in given or () for name in item.split(",") if name)


def cluster_options(inventory: Path | None, accept_new_host_keys: bool, limit: list[str] | None = None) -> Options:
    """The options of a command that talks to a cluster's hosts."""
    from kprov.commands.context import Options
    from kprov.ui.progress import PlainProgress

    return Options(inventory, accept_new_host_keys, split_names(limit), PlainProgress())


def phase_names(names: list[str] | None) -> tuple[str, ...]:
    """Names of phases as given with --only, checked against the catalog."""
    from kprov.phases.catalog import PHASES

    known = [phase.name for phase in PHASES]
    for name in names or ():
        if name not in known:
            message = f"no phase {name!r}; the phases are {', '.join(known)}"
            raise typer.BadParameter(message, param_hint="--only")
    return tuple(names or ())
