"""Builds one component with the Go toolchain of this machine, or says exactly why that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from kprov.errors import LabError
from kprov.lab.cache import Cache
from kprov.lab.components import Component, build_key
from kprov.lab.packages import Package, fetch, resolve, unpack
from kprov.ui.progress import Progress

BUILD_SECONDS = 3600.0  # the longest, Kubernetes on two cores with cold caches, takes six minutes
LAST_LINES = 15

# The user's settings must not change what comes out: no flags of theirs, no workspace around the components.
GO_SETTINGS = {"GOFLAGS": "", "GOWORK": "off", "GOOS": "linux"}

HINTS = {
    "This module version is not available": "the Go module proxy does not serve this version; pin one that it has",
    "dial tcp": "the Go module proxy cannot be reached: check the network and `go env GOPROXY`",
    "missing go.sum entry": "run `go mod tidy` in the component's directory and commit go.sum",
    "no space left on device": "free disk space: the Go caches grow to about 14 GB (`go clean -cache` empties them)",
    '"gcc"': "install a C compiler: `apt-get install gcc libc6-dev`",
}


def toolchain() -> dict[str, str]:
    """Version and architecture of Go on this machine. Raises LabError without a Go."""
    if shutil.which("go") is None:
        raise LabError(
            "the lab builds Kubernetes from source and finds no `go`",
            hint="install Go 1.26 or newer (https://go.dev/dl) and put its bin directory on the PATH",
        )
    done = subprocess.run(
        ["go", "env", "-json", "GOVERSION", "GOARCH"],
        env={**os.environ, **GO_SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise LabError(f"`go env` failed: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def build(entry: Component, cache: Cache, go: Mapping[str, str], progress: Progress) -> Path:
    """The directory with the component's binaries, named as in its `outputs`. Built only if these inputs are new.

    go: what `toolchain` returned. Raises LabError with the last lines of Go's output and the path of the log.
    """
    libraries = resolve(list(entry.libraries), cache)
    key = build_key(entry, go, (library.sha256 for library in libraries))
    name = f"{entry.name}-{entry.version}-{key[:16]}"

    def make(target: Path) -> None:
        with progress.timed(f"lab: building {entry.title}"):
            _go_build(entry, cache, target, libraries)

    return cache.made("components", name, make)


def _go_build(entry: Component, cache: Cache, target: Path, libraries: list[Package]) -> None:
    if entry.cgo and shutil.which("gcc") is None:
        raise LabError(f"{entry.title} needs a C compiler", hint="install it: `apt-get install gcc libc6-dev`")
    command = [
        "go",
        "build",
        "-mod=readonly",  # go.sum is enforced
        "-trimpath",
        "-buildvcs=false",  # the commit of kprov says nothing about these programs
        f"-tags={','.join(entry.tags)}",
        f"-ldflags={entry.linker_flags()}",
        f"-o={target}/",
        *entry.outputs.values(),
    ]
    environment = {**os.environ, **GO_SETTINGS, "CGO_ENABLED": "1" if entry.cgo else "0"}
    if libraries:
        environment |= _compile_against(entry, cache, libraries)
    log = cache.log(f"{entry.name}-{entry.version}")
    with log.open("w") as output:
        try:
            done = subprocess.run(
                command,
                cwd=entry.source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=BUILD_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{entry.title} was not built within {BUILD_SECONDS:.0f} s; log: {log}") from late
    if done.returncode != 0:
        raise _failure(entry, log)
    for name, package in entry.outputs.items():
        built = target / go_name(package)
        if built.name != name:
            built.replace(target / name)


def _compile_against(entry: Component, cache: Cache, libraries: list[Package]) -> dict[str, str]:
    """Settings for cgo to find headers and static libraries that are unpacked in the cache."""
    debs = fetch(libraries, cache)
    name = "-".join(library.sha256[:8] for library in libraries)
    root = cache.made("libraries", name, lambda target: unpack(debs, target))
    directories = [path for path in (root / "usr" / "lib").glob("*-linux-gnu*") if path.is_dir()]
    return {
        "PKG_CONFIG": "true",  # says nothing, successfully: the two lines below say it all
        "CGO_CFLAGS": f"-O2 -I{root}/usr/include",
        "CGO_LDFLAGS": " ".join([*(f"-L{path}" for path in directories), *entry.libraries.values()]),
    }


def _failure(entry: Component, log: Path) -> LabError:
    said = log.read_text(errors="replace")
    hint = next((hint for sign, hint in HINTS.items() if sign in said), None)
    last = "\n".join(said.strip().splitlines()[-LAST_LINES:])
    return LabError(f"{entry.title} could not be built:\n{last}\nlog: {log}", hint=hint)


def go_name(package: str) -> str:
    """What `go build` calls a package's program: the last part of its path that is not a major version (`/v3`)."""
    *parents, last = package.split("/")
    return parents[-1] if last[0] == "v" and last[1:].isdigit() else last
