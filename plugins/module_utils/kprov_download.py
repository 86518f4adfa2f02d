"""Download to a staging directory: one clear error for each way in which it can fail."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.kprov_artifact_files import ArtifactError, FileArtifact
from ansible.module_utils.kprov_fs import CHUNK

SILENCE = 60  # seconds without a byte
PARALLEL = 4


def download(artifacts: list[FileArtifact], staging: str) -> dict[str, str]:
    """Fetch all, in parallel, each checked while it arrives. Returns name to path; ArtifactError with every failure.

    TLS is verified; proxies come from the environment of the node (http_proxy, https_proxy, no_proxy).
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = {artifact.name: pool.submit(_fetch, artifact, staging) for artifact in artifacts}
    errors = [str(future.exception()) for future in futures.values() if future.exception()]
    if errors:
        raise ArtifactError("; ".join(sorted(errors)))
    return {name: future.result() for name, future in futures.items()}


def wrong_digest(artifact: FileArtifact, where: str, got: str) -> ArtifactError:
    """What is said about a file that is not the pinned one."""
    name = f"{artifact.name} {artifact.version}"
    return ArtifactError(f"{name}: {where} has sha256 {got}, expected {artifact.sha256}; nothing was installed")


def _fetch(artifact: FileArtifact, staging: str) -> str:
    target = os.path.join(staging, artifact.name)
    name = f"{artifact.name} {artifact.version}"
    digest = hashlib.sha256()
    received = 0
    request = urllib.request.Request(artifact.url, headers={"User-Agent": "kprov"})
    try:
        with urllib.request.urlopen(request, timeout=SILENCE) as response, open(target, "xb") as file:
            announced = response.headers.get("Content-Length")
            while True:
                try:
                    chunk = response.read(CHUNK)
                except http.client.IncompleteRead as error:
                    chunk, received = b"", received + len(error.partial)
                if not chunk:
                    break
                received += len(chunk)
                digest.update(chunk)
                file.write(chunk)
    except urllib.error.HTTPError as error:
        raise ArtifactError(f"{name}: {artifact.url}: the server says {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise ArtifactError(f"{name}: {artifact.url}: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ArtifactError(f"{name}: {artifact.url}: broke off after {received} bytes: {error}") from error
    if announced is not None and received != int(announced):
        raise ArtifactError(f"{name}: {artifact.url}: the transfer was cut: got {received} of {announced} bytes")
    if digest.hexdigest() != artifact.sha256:
        raise wrong_digest(artifact, artifact.url, digest.hexdigest())
    return target
