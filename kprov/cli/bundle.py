"""`kprov bundle ...`: installations without internet."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.finish import finish
from kprov.cli.options import Format, Output

bundle_app = typer.Typer(
    no_args_is_help=True,
    help="All that an installation needs, for machines without internet.",
)


class Architecture(StrEnum):
    """Those that there are artifacts for."""

    AMD64 = "amd64"
    ARM64 = "arm64"


class Runtime(StrEnum):
    """Those that kprov installs (container_runtime)."""

    CONTAINERD = "containerd"
    DOCKER = "docker"


Directory = Annotated[Path, typer.Argument(help="The bundle.", show_default=False)]


@bundle_app.command()
def create(
    directory: Annotated[Path, typer.Argument(help="Where to; must not be there yet.", show_default=False)],
    kubernetes: Annotated[
        list[str] | None,
        typer.Option(
            "--kubernetes", metavar="VERSION", help="Release, e.g. 1.36; may be repeated. Default: the newest."
        ),
    ] = None,
    arch: Annotated[
        list[Architecture] | None,
        typer.Option("--arch", help="Architecture of nodes; may be repeated. Default: this machine's."),
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option("-i", "--inventory", help="Take release, runtime, mirror and image_repository from it."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", metavar="URL", help="HTTP mirror with the publishers' paths: URL/dl.k8s.io/..."),
    ] = None,
    image_repository: Annotated[
        str | None,
        typer.Option("--image-repository", metavar="REGISTRY/PATH", help="Registry in place of registry.k8s.io."),
    ] = None,
    container_runtime: Annotated[
        list[Runtime] | None,
        typer.Option("--container-runtime", help="Of the nodes; may be repeated. Default: containerd."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Download what a release needs and make a bundle of it. Needs skopeo, for the images.

    What came is kept in ~/.cache/kprov/downloads: the same command again asks only for what is missing.

    Example: kprov bundle create kprov-bundle --kubernetes 1.36 --arch amd64 --arch arm64
    """
    from kprov.commands import bundle
    from kprov.ui.progress import PlainProgress

    finish(
        "bundle",
        output,
        lambda: bundle.create(
            PlainProgress(),
            directory,
            kubernetes=kubernetes or (),
            architectures=[each.value for each in arch or ()],
            inventory=inventory,
            mirror=mirror,
            image_repository=image_repository,
            container_runtimes=[each.value for each in container_runtime or ()],
        ),
    )


@bundle_app.command()
def check(directory: Directory, output: Output = Format.TABLE) -> None:
    """Say what a bundle holds and hash all of it. Exit code 0: whole, 16: something is missing or damaged.

    Example: kprov bundle check kprov-bundle
    """
    from kprov.commands import bundle

    finish("bundle", output, lambda: bundle.check(directory))
