"""`kprov lab`: nodes on this machine to try and to test everything on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kprov.errors import InputError, LabError
from kprov.lab import lab as labs
from kprov.lab.lab import Lab, LabSpec
from kprov.lab.size import parse
from kprov.reserve.quantity import binary_text
from kprov.ui.progress import Progress
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console


def up(
    progress: Progress,
    *,
    name: str = "demo",
    control_planes: int = 1,
    workers: int = 2,
    kubernetes: str = "1.36",
    online: bool = False,
    bundle: Path | None = None,
    container_runtime: str = "containerd",
    memory: Sequence[str] = (),
    cpus: Sequence[str] = (),
) -> Result:
    """Make a lab, or what is missing of it. data: {"labs": [one, with `added` and `started`], "changed"}.

    memory, cpus: "w1=2Gi" for one node, "2Gi" for all.
    """
    sizes = parse(memory, cpus)
    spec = LabSpec(name, control_planes, workers, kubernetes, online, bundle, container_runtime, sizes)
    lab = labs.up(spec, progress)
    changed = bool(lab.added or lab.started)
    data = {"labs": [{**_data(lab), "added": list(lab.added), "started": list(lab.started)}], "changed": changed}

    def render(console: Console) -> None:
        if not changed:
            console.print(f"The lab {lab.name} is already up.")
        console.print(_table([lab]))
        console.print(f"\nInventory: {lab.inventory}", soft_wrap=True)

    return Result("lab", data, render)


def down(progress: Progress, *, name: str = "demo", everything: bool = False) -> Result:
    """Remove a lab, or all of them. data: {"removed": [line], "changed"}; removing nothing is fine."""
    names = [lab.name for lab in labs.status()] if everything else [name]
    removed = [line for each in names for line in labs.down(each, progress)]

    def render(console: Console) -> None:
        for line in removed:
            console.print(f"removed {line}", soft_wrap=True)
        if not removed:
            console.print(
                "Nothing to do: there is no lab." if everything else f"Nothing to do: there is no lab {name}."
            )

    return Result("lab", {"removed": removed, "changed": bool(removed)}, render)


def status(*, name: str | None = None) -> Result:
    """The labs of this machine, or one of them.

    data: {"labs": [{"name", "inventory", "virtual_address", "nodes": [{"name", "address", "role", "state", "memory",
    "cpus"}]}]}; memory and cpus are None for a node that has what this machine has.
    """
    found = labs.status(name)

    def render(console: Console) -> None:
        if found:
            console.print(_table(found))
        else:
            console.print("There is no lab. `kprov lab up` makes one.")

    return Result("lab", {"labs": [_data(lab) for lab in found]}, render)


def ssh(name: str, node: str, command: Sequence[str] = (), *, user: str = "kprov") -> NoReturn:
    """Become `ssh` to a node; does not return.

    node: "w1" or "demo-w1"; command: what to run there, none for a shell. LabError when there is no such node.
    """
    argv = labs.ssh_command(name, node, command, user)
    try:
        os.execvp(argv[0], argv)
    except FileNotFoundError as missing:
        raise LabError("there is no `ssh` command", hint="apt install openssh-client") from missing


def power(node: str, to: str) -> Result:
    """Switch a node "on", "off", "kill" or "pause"."""
    if to not in ("on", "off", "kill", "pause"):
        raise InputError(f"a node can be switched on, off, kill or pause, not {to!r}")
    labs.power(node, to)  # type: ignore[arg-type]
    return Result("lab", {"node": node, "power": to}, lambda console: console.print(f"{node}: {to}"))


def _data(lab: Lab) -> dict[str, Any]:
    return {
        "name": lab.name,
        "inventory": str(lab.inventory) if lab.inventory else None,
        "virtual_address": lab.virtual_address,
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "role": node.role,
                "state": node.state,
                "memory": None if node.size.memory is None else binary_text(node.size.memory),
                "cpus": node.size.cpus,
            }
            for node in lab.nodes
        ],
    }


def _table(found: Sequence[Lab]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("LAB", "NODE", "ADDRESS", "ROLE", "STATE"):
        table.add_column(heading, no_wrap=True)
    for lab in found:
        for node in lab.nodes:
            table.add_row(lab.name, node.name, node.address, node.role.replace("_", " "), node.state)
        if not lab.nodes:
            table.add_row(lab.name, "(no nodes)", "", "", "")
    return table
