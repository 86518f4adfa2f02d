"""`kprov bundle`: everything that an installation needs, in one directory, for machines without internet."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.artifacts.bundle import Bundle, open_bundle
from kprov.artifacts.create import create_bundle, megabytes
from kprov.artifacts.manifest import Manifest, project_manifest
from kprov.artifacts.source import PUBLIC, Source
from kprov.artifacts.wanted import Wanted, wanted
from kprov.errors import ArtifactError, ExitCode, InputError, Problem
from kprov.ui.progress import Progress
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

# What uname calls the architectures that there are artifacts for.
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def create(
    progress: Progress,
    directory: Path,
    *,
    kubernetes: Sequence[str] = (),
    architectures: Sequence[str] = (),
    inventory: Path | None = None,
    mirror: str | None = None,
    image_repository: str | None = None,
    container_runtimes: Sequence[str] = (),
) -> Result:
    """Make a bundle. data: what `check` says of it.

    kubernetes: releases, by default the inventory's, else the newest; architectures: by default this machine's;
    container_runtimes: of the nodes, by default the inventory's, else containerd. What is given goes
    before what the inventory says. Raises InputError before anything is downloaded, ArtifactError with
    everything that could not be had; then there is no directory.
    """
    manifest = project_manifest()
    said = _said(inventory) if inventory else Said(manifest.supported_versions()[0])
    source = Source(
        mirror=said.mirror if mirror is None else mirror,
        image_repository=said.image_repository if image_repository is None else image_repository,
    )
    runtimes = container_runtimes or (said.container_runtime,)
    contents = _contents(manifest, kubernetes or (said.kubernetes,), architectures or (_own_architecture(),), runtimes)
    try:
        bundle = create_bundle(directory, contents, source, progress)
    except OSError as error:
        raise ArtifactError(f"{error.filename or directory}: {error.strerror}", hint="no bundle was made") from error
    return _result(bundle, (), f"In the inventory: artifacts_bundle={directory.absolute()}")


def check(directory: Path) -> Result:
    """Hash everything that a bundle's manifest names. Exit code 0: whole; 16: not.

    data: {"directory", "kubernetes": [version], "architectures", "files", "images": how many, "bytes"}. Raises
    ArtifactError when the directory is no bundle.
    """
    bundle = open_bundle(directory)
    problems = bundle.check()
    verdict = (
        f"{len(problems)} problem{'s' * (len(problems) > 1)}: make the bundle again, or copy it again"
        if problems
        else "Every file and every image is what the manifest says."
    )
    return _result(bundle, problems, verdict)


@dataclass(frozen=True)
class Said:
    """What an inventory says about artifacts; without one, what kprov's defaults are."""

    kubernetes: str
    mirror: str = ""
    image_repository: str = PUBLIC
    container_runtime: str = "containerd"


def _said(inventory: Path) -> Said:
    """The bundle that the inventory names need not be there: it is being made."""
    from kprov.spec.load import load

    variables = load(inventory, unset={"artifacts_bundle"}).spec.hosts[0].variables
    names = ("kubernetes_version", "artifacts_mirror", "image_repository", "container_runtime")
    return Said(*(str(variables[name]) for name in names))


def _contents(
    manifest: Manifest, versions: Sequence[str], architectures: Sequence[str], runtimes: Sequence[str]
) -> Wanted:
    try:
        return wanted(manifest, versions, architectures, runtimes)
    except ArtifactError as error:
        raise InputError(error.message, hint=error.hint) from error


def _own_architecture() -> str:
    machine = platform.machine()
    if machine not in MACHINES:
        raise InputError(f"there are no artifacts for this machine's architecture, {machine}", hint="name one: --arch")
    return MACHINES[machine]


def _result(bundle: Bundle, problems: Sequence[Problem], verdict: str) -> Result:
    data: dict[str, Any] = {
        "directory": str(bundle.directory),
        "kubernetes": list(bundle.manifest.supported_versions()),
        "architectures": list(bundle.architectures()),
        "files": len(bundle.manifest.files),
        "images": len(bundle.manifest.images),
        "bytes": bundle.size(),
    }

    def render(console: Console) -> None:
        console.print(_table(data))
        console.print(f"\n{verdict}", soft_wrap=True, markup=False)

    return Result("bundle", data, render, problems, ExitCode.ARTIFACT if problems else ExitCode.OK)


def _table(data: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("BUNDLE", "KUBERNETES", "ARCHITECTURE", "FILES", "IMAGES", "SIZE"):
        table.add_column(heading, no_wrap=True)
    versions, architectures = ", ".join(data["kubernetes"]), ", ".join(data["architectures"])
    size = megabytes(data["bytes"])
    table.add_row(data["directory"], versions, architectures, str(data["files"]), str(data["images"]), size)
    return table
