"""The table of what the lab builds from Go modules (components/components.yml), and what identifies a build."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from kprov.artifacts.manifest import version_key
from kprov.errors import LabError

COMPONENTS = Path(__file__).parent / "components"


class Component(BaseModel):
    """One entry of components.yml, which explains the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    directory: str = ""
    also_as: tuple[str, ...] = ()
    outputs: dict[str, str]
    cgo: bool = False
    tags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    libraries: dict[str, str] = {}

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def source(self) -> Path:
        """The directory with go.mod and go.sum."""
        return COMPONENTS / (self.directory or self.name)

    def linker_flags(self) -> str:
        """The value of `go build -ldflags`: no symbol table, no debug information, and the component's own."""
        major, minor, *_ = self.version.split(".")
        own = (flag.format(version=self.version, major=major, minor=minor) for flag in self.ldflags)
        return " ".join(("-s -w", *own))


@cache
def load_components(path: Path = COMPONENTS / "components.yml") -> tuple[Component, ...]:
    """The table, in the order of the file."""
    return tuple(Component.model_validate(entry) for entry in YAML(typ="safe").load(path.read_text()))


def component(name: str, version: str) -> Component:
    """The entry that can stand for `version` of `name`. Raises LabError when the lab builds no such thing."""
    entries = [entry for entry in load_components() if entry.name == name]
    for entry in entries:
        if version == entry.version or version in entry.also_as:
            return entry
    there = ", ".join(entry.version for entry in entries)
    raise LabError(
        f"the lab cannot build {name} {version}: it builds {there or 'no ' + name}",
        hint="docs/reference/artifacts.md says how to add a version",
    )


def kubernetes_version(wanted: str) -> str:
    """`1.36` -> the newest 1.36 that the lab can build; `1.36.3` -> itself. Raises LabError."""
    wanted = wanted.removeprefix("v")
    versions = sorted((e.version for e in load_components() if e.name == "kubernetes"), key=version_key, reverse=True)
    for version in versions:
        if version == wanted or version.startswith(f"{wanted}."):
            return version
    raise LabError(
        f"the lab cannot build Kubernetes {wanted}: it builds {', '.join(versions)}",
        hint="docs/reference/artifacts.md says how to add a version",
    )


def build_key(entry: Component, toolchain: Mapping[str, str], libraries: Iterable[str]) -> str:
    """64 hex digits that change with anything that can change the binaries.

    toolchain: `go env` values (version, architecture); libraries: digests of the packages to compile against.
    """
    inputs: list[Any] = [entry.model_dump(mode="json"), dict(toolchain), sorted(libraries)]
    for path in sorted(entry.source.rglob("*")):
        if path.is_file():
            inputs.append([str(path.relative_to(entry.source)), hashlib.sha256(path.read_bytes()).hexdigest()])
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
