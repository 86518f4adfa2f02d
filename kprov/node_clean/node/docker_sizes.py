"""What Docker Engine's containers and images take, and which image each container uses: those of no pod, too."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import docker

SECONDS = 30.0  # the engine counts what containers have written file by file


def containers() -> dict[str, dict[str, Any]]:
    """Container id to {"image" (id), "bytes" (that it has written)}."""
    return {
        one["Id"]: {"image": one["ImageID"], "bytes": int(one.get("SizeRw") or 0)}
        for one in _get("/containers/json?all=1&size=1")
    }


def images() -> dict[str, int]:
    """Image id to the bytes of layers that no other image has."""
    return {one["Id"]: _alone(one) for one in _get("/images/json?shared-size=1")}


def _alone(image: dict[str, Any]) -> int:
    shared = int(image.get("SharedSize", -1))
    return max(0, int(image["Size"]) - shared) if shared >= 0 else 0  # -1: the engine does not say


def _get(path: str) -> Any:
    said = docker.get(path, SECONDS)
    if said is None:
        raise OSError(f"Docker Engine does not answer to {path}")
    return said
