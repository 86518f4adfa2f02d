"""The image that nodes are made of, built once and found again by its content.

Two images: a base (a small Debian with the packages, the slow part) and on top of it users, masks and the entrypoint
(seconds). Each tag is a hash of what goes in, so an edited Dockerfile makes a new image and an old lab keeps its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kprov.errors import LabError
from kprov.lab.directory import locked
from kprov.lab.docker import Docker
from kprov.ui.progress import Progress

REPOSITORY = "kprov-lab/node"
CONTEXT = Path(__file__).parent / "node_image"
DOCKER_CONTEXT = Path(__file__).parent / "node_image_docker"

# Debian 12: systemd 252 still boots on cgroup v1. (Debian 13's 257 refuses it unless forced.)
SUITE = "bookworm"
REGISTRY_BASE = "debian:12-slim"

# Half the size, and nobody reads manuals in a node.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
BUILD_SECONDS = 900.0


def node_image(docker: Docker, progress: Progress, runtime: str = "containerd") -> str:
    """The tag of the node image; builds what is missing.

    The base is made by mmdebstrap from a Debian mirror when mmdebstrap is installed, else it is a registry's Debian.
    runtime: the container_runtime; nodes for docker have Docker Engine. Raises LabError when neither can be had.
    """
    with locked("node-image"):
        base = _debian_base(docker, progress) if shutil.which("mmdebstrap") else REGISTRY_BASE
        tag = _built(docker, CONTEXT, {"BASE": base}, progress)
        return tag if runtime == "containerd" else _built(docker, DOCKER_CONTEXT, {"NODE": tag}, progress)


def _built(docker: Docker, context: Path, arguments: Mapping[str, str], progress: Progress) -> str:
    """The tag of what a directory's Dockerfile makes with these arguments."""
    files = sorted(path for path in context.iterdir() if path.is_file())
    tag = f"{REPOSITORY}:{_hash(*arguments.values(), *(f'{path.name}:{path.read_text()}' for path in files))}"
    if not _exists(docker, tag):
        with progress.timed(f"lab: building the node image {tag}"):
            _build(docker, context, arguments, tag)
    return tag


def existing_image(docker: Docker) -> str | None:
    """Any node image that the engine has, without building one: good enough to remove a firewall rule."""
    tags = docker.lines("images", REPOSITORY, "--format", "{{.Repository}}:{{.Tag}}")
    return tags[0] if tags else None


def packages() -> list[str]:
    """Debian packages of a node."""
    lines = (CONTEXT / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _debian_base(docker: Docker, progress: Progress) -> str:
    tag = f"kprov-lab/base:{_hash(*_mmdebstrap('base.tar'))}"
    if _exists(docker, tag):
        return tag
    with progress.timed(f"lab: making a Debian {SUITE} base with mmdebstrap"), tempfile.TemporaryDirectory() as scratch:
        archive = str(Path(scratch, "base.tar"))
        command = _mmdebstrap(archive)
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode != 0:
            raise LabError(
                f"mmdebstrap could not make a Debian {SUITE}: {done.stderr.strip()[-1000:]}",
                hint=f"it needs a Debian mirror, as apt does; try `mmdebstrap {SUITE} /dev/null` by itself",
            )
        docker.run("import", archive, tag, seconds=BUILD_SECONDS)
    return tag


def _mmdebstrap(archive: str) -> list[str]:
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(packages())}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        # mmdebstrap copies them from this machine.
        '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
        SUITE,
        archive,
    ]


def _build(docker: Docker, context: Path, arguments: Mapping[str, str], tag: str) -> None:
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    try:
        docker.run("build", "--quiet", *given, "--tag", tag, str(context), seconds=BUILD_SECONDS)
    except LabError as failed:
        hint = (
            "install mmdebstrap (`scripts/engine start` does) to do without a registry"
            if REGISTRY_BASE in arguments.values()
            else None
        )
        raise LabError(f"the node image could not be built: {failed.message}", hint=hint) from failed


def _exists(docker: Docker, tag: str) -> bool:
    return bool(docker.run("images", "--quiet", tag))


def _hash(*parts: str) -> str:
    """12 hexadecimal digits that change with any of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
