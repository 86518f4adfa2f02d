"""Finds a Docker Engine that answers, or says exactly what to do."""

from __future__ import annotations

import shutil
import subprocess

from kprov.errors import LabError
from kprov.lab.docker import Docker

MIN_API = (1, 41)  # Docker 20.10: `--cgroupns`
START = "start one: `sudo systemctl start docker`, or `scripts/engine start` in a checkout of kprov (installs it too)"


def connect() -> Docker:
    """The engine that `docker` talks to (DOCKER_HOST, then the Docker context, then the default socket).

    Raises LabError when there is no client, no engine, no permission, or when the engine is on another machine.
    """
    binary = shutil.which("docker")
    if binary is None:
        raise LabError(
            "the lab needs Docker Engine and there is no `docker` command",
            hint=f"install Docker Engine 20.10 or newer (`apt install docker.io`) and {START}",
        )
    endpoint = _ask(binary, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    if not endpoint.startswith("unix://"):
        raise LabError(
            f"the Docker Engine at {endpoint} is not on this machine: nodes would not be reachable by SSH",
            hint="unset DOCKER_HOST or `docker context use default`",
        )
    api, _, version = (
        _ask(binary, "version", "--format", "{{.Server.APIVersion}} {{.Server.Version}}").strip().partition(" ")
    )
    if tuple(int(part) for part in api.split(".")) < MIN_API:
        raise LabError(f"Docker Engine {version} is too old for the lab", hint="install Docker Engine 20.10 or newer")
    return Docker(binary=binary, version=version)


def _ask(binary: str, *arguments: str) -> str:
    """Stdout of a first question to the engine; LabError with advice that fits what the client said."""
    try:
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired as late:
        raise LabError("the Docker Engine does not answer within 20 s", hint="look at `journalctl -u docker`") from late
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip()
    if "permission denied" in said.lower():
        raise LabError(
            f"no permission to use the Docker Engine: {said}",
            hint="run as root, or `sudo usermod -aG docker $USER` and log in again",
        )
    raise LabError(f"no Docker Engine answers: {said}", hint=START)
