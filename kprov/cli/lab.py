"""`kprov lab ...`: nodes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.finish import finish
from kprov.cli.options import Format, Output

lab_app = typer.Typer(
    no_args_is_help=True,
    help="Nodes in containers, to try kprov on this machine.\n\nThey have systemd and SSH. Needs a Docker Engine.",
)

Name = Annotated[str, typer.Option("--name", help="Name of the lab; several can run side by side.")]


@lab_app.command()
def up(
    name: Name = "demo",
    control_planes: Annotated[int, typer.Option("--control-planes", min=1, help="How many control planes.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=0, help="How many workers.")] = 2,
    kubernetes: Annotated[str, typer.Option("--kubernetes", help="Version the inventory asks for.")] = "1.36",
    online: Annotated[bool, typer.Option("--online", help="Let the nodes reach what this machine reaches.")] = False,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Bundle to install from, instead of building one.")
    ] = None,
    container_runtime: Annotated[
        str, typer.Option("--container-runtime", help="containerd, or docker: nodes that have Docker Engine.")
    ] = "containerd",
    memory: Annotated[
        list[str] | None, typer.Option("--memory", help="Of one node, w1=2Gi, or of all, 2Gi. Can be repeated.")
    ] = None,
    cpus: Annotated[list[str] | None, typer.Option("--cpus", help="Of one node, w1=1, or of all, 1.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Make nodes, or what is missing of them, and write an inventory for them.

    Example: kprov lab up --control-planes 3 --workers 2 --name ha
    """
    from kprov.commands import lab
    from kprov.ui.progress import PlainProgress

    finish(
        "lab",
        output,
        lambda: lab.up(
            PlainProgress(),
            name=name,
            control_planes=control_planes,
            workers=workers,
            kubernetes=kubernetes,
            online=online,
            bundle=bundle,
            container_runtime=container_runtime,
            memory=memory or (),
            cpus=cpus or (),
        ),
    )


@lab_app.command()
def down(
    name: Name = "demo",
    everything: Annotated[bool, typer.Option("--all", help="Every lab of this machine.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Remove a lab: its containers, network and volumes. Built artifacts stay in the cache."""
    from kprov.commands import lab
    from kprov.ui.progress import PlainProgress

    finish("lab", output, lambda: lab.down(PlainProgress(), name=name, everything=everything))


@lab_app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", help="Only this lab.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List labs with their nodes and inventories."""
    from kprov.commands import lab

    finish("lab", output, lambda: lab.status(name=name))


@lab_app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    name: Annotated[str, typer.Argument(help="Lab.")],
    node: Annotated[str, typer.Argument(help="Node, e.g. demo-w1.")],
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; none: a shell.")] = None,
    user: Annotated[str, typer.Option("--user", help="User on the node.")] = "kprov",
) -> None:
    """Open a shell on a node, or run a command there.

    Example: kprov lab ssh demo demo-cp1 -- sudo crictl ps
    """
    from kprov.commands import lab

    finish("lab", Format.TABLE, lambda: lab.ssh(name, node, command or (), user=user))


@lab_app.command()
def power(
    node: Annotated[str, typer.Argument(help="Node, e.g. demo-w1.")],
    to: Annotated[str, typer.Argument(help="on | off | kill | pause")],
    output: Output = Format.TABLE,
) -> None:
    """Switch a node on or off, to see what the cluster does without it."""
    from kprov.commands import lab

    finish("lab", output, lambda: lab.power(node, to))
