"""The typer application and its entry point. Commands live in cluster.py, certs.py, node.py, logs.py, reserve.py,
bundle.py and lab.py beside this file.

The code of a command is imported when it runs, so that `kprov --help` stays quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kprov.cli.bundle import bundle_app
from kprov.cli.certs import certs_app
from kprov.cli.cluster import cluster_commands
from kprov.cli.lab import lab_app
from kprov.cli.logs import logs
from kprov.cli.node import node_app
from kprov.cli.reserve import reserve
from kprov.cli.runtime_root import runtime_root_app
from kprov.errors import ExitCode

CLICK_USAGE_ERROR = 2  # what typer exits with for a wrong option; kprov needs 2 for "found something"

app = typer.Typer(
    name="kprov",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from kprov import __version__

        typer.echo(f"kprov {__version__}")
        raise typer.Exit


@app.callback()
def kprov(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """SSH machines to a Kubernetes cluster: planned before, proved after.

    Start: kprov init DIR, edit DIR/inventory.ini, kprov up DIR. To try it on this machine: kprov lab up.
    """


for command in cluster_commands:
    app.command()(command)
app.command()(logs)
app.command()(reserve)
app.add_typer(certs_app, name="certs")
app.add_typer(node_app, name="node")
app.add_typer(runtime_root_app, name="runtime-root")
app.add_typer(bundle_app, name="bundle")
app.add_typer(lab_app, name="lab")


def main() -> None:
    """Entry point of the `kprov` script: runs a command; a usage error exits with 64."""
    try:
        app()
    except SystemExit as end:
        if end.code == CLICK_USAGE_ERROR and not isinstance(end.code, ExitCode):
            sys.exit(ExitCode.USAGE)
        raise
