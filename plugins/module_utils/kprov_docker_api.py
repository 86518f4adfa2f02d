"""Docker Engine's HTTP API on its socket: no docker command has to be installed."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any, BinaryIO

from ansible.module_utils.kprov_paths import real

SOCKET = "/run/docker.sock"
# What cri-dockerd asks for at least (libdocker.MinimumDockerAPIVersion); Docker Engine 23.0 is the first that has it.
API = "1.42"
FIRST_ENGINE = "23.0"
TOO_OLD = (
    f"is too old for cri-dockerd, which needs API {API} (Docker {FIRST_ENGINE}). Nothing was changed. Debian 13 and"
    " current Ubuntu have a newer docker.io; for Debian 12 and Enterprise Linux add Docker's own repository"
    " (https://docs.docker.com/engine/install) and name its packages in container_runtime_docker_packages"
)


class DockerError(Exception):
    """The engine did not do what was asked; the message is for the user."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """The engine of this node. timeout: seconds that it may be silent."""

    def __init__(self, path: str = SOCKET, timeout: float = 20) -> None:
        self._path = real(path)
        self._timeout = timeout

    def version(self) -> dict[str, Any]:
        """Version, ApiVersion, ...: in whatever version of the API the engine speaks."""
        return self._json("GET", "/version")

    def info(self) -> dict[str, Any]:
        """What `docker info` shows."""
        return self._json("GET", f"/v{API}/info")

    def images(self) -> dict[str, str]:
        """Full reference (docker.io/library/x:1) to image id (sha256 of its configuration)."""
        found = {}
        for image in self._json("GET", f"/v{API}/images/json"):
            found.update({full_name(tag): image["Id"] for tag in image.get("RepoTags") or ()})
        return found

    def running(self) -> list[dict[str, Any]]:
        """Containers that run: {"Id", "Names", "Labels", ...}."""
        return self._json("GET", f"/v{API}/containers/json")

    def containers(self) -> list[dict[str, Any]]:
        """Containers, those that have ended, too: {"Id", "ImageID", "SizeRw" (bytes that it has written), ...}."""
        return self._json("GET", f"/v{API}/containers/json?all=1&size=1")

    def layers_bytes(self) -> int:
        """What the layers of all images take together."""
        return int(self._json("GET", f"/v{API}/system/df?type=image").get("LayersSize") or 0)

    def stop(self, container: str, grace: int) -> None:
        """Stop a container; after `grace` seconds it is killed. One that has stopped already is fine."""
        self._request("POST", f"/v{API}/containers/{container}/stop?t={grace}")

    def start(self, container: str) -> None:
        """Start a container; one that runs already is fine."""
        self._request("POST", f"/v{API}/containers/{container}/start")

    def load(self, archive: BinaryIO) -> None:
        """Load an archive of images, as `docker load` does; its length need not be known."""
        said = self._request("POST", f"/v{API}/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
        for line in said.splitlines():
            error = json.loads(line).get("error")
            if error:
                raise DockerError(f"Docker Engine cannot load the images: {error}")

    def _json(self, method: str, path: str) -> Any:
        return json.loads(self._request(method, path))

    def _request(self, method: str, path: str, body: Any = None, headers: dict | None = None) -> bytes:
        connection = _Connection(self._path, self._timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DockerError(f"Docker Engine does not answer on {SOCKET}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise DockerError(f"Docker Engine answered {answer.status} to {path}: {_message(said)}")
        return said


def too_old(version: str) -> bool:
    """Whether an engine, or a package of one ("5:28.1.1-1~debian.12"), has not the API that is needed."""
    found = re.match(r"(?:\d+:)?(\d+)\.(\d+)", version)
    return found is None or [int(part) for part in found.groups()] < [int(part) for part in FIRST_ENGINE.split(".")]


def full_name(tag: str) -> str:
    """The reference that Kubernetes uses for what Docker shows: "busybox:1" -> "docker.io/library/busybox:1"."""
    first, slash, _ = tag.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said.decode(errors="replace").strip()[:300]
