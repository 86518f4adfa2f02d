"""Images out of registries, pulled by skopeo: it knows registries, credentials, proxies, mirrors and signatures.

What it reads besides: registries.conf, policy.json, and the credentials that `skopeo login` or `docker login` keep.

Why not the Python library oras: it is made for artifacts (copies from a registry into an image layout are new there),
reads neither registries.conf nor policy.json, and would bring requests and jsonschema to every controller.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from typing import NoReturn

from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.digest import sha256_of
from kprov.artifacts.oci import ImageLayout
from kprov.artifacts.source import PUBLIC
from kprov.errors import ArtifactError, Interrupted, Problem

DEADLINE = "30m"  # for one image
LOOK = 0.5  # seconds between looks whether to stop
LOGGED = re.compile(r'level=fatal msg="(?P<message>.*)"$')
DENIED = ("unauthorized", "denied", "authentication required", "credentials")
UNKNOWN = ("manifest unknown", "name unknown", "not found", "no image found", "404 (Not Found)")


class Skopeo:
    """stop: when it is set, pulls end with Interrupted. Raises ArtifactError when skopeo is not installed."""

    def __init__(self, cache: DownloadCache, stop: threading.Event) -> None:
        program = shutil.which("skopeo")
        if program is None:
            raise ArtifactError(
                "images are pulled with skopeo, which is not installed on this machine",
                hint="apt-get install skopeo (dnf install skopeo, brew install skopeo)",
            )
        self._program = program
        self._cache = cache
        self._stop = stop
        self._whole: set[str] = set()  # blobs whose digest was found right in this run

    def pull(self, reference: str, arch: str) -> str:
        """Brings the image for Linux on `arch` into `cache.images`; blobs that are there are not asked for again.

        reference: REPOSITORY:TAG or REPOSITORY@DIGEST. Returns the digest of the image's manifest, which is OCI's: an
        image with a manifest of Docker's older type gets a new one, its config and its layers stay what they are.
        Raises ArtifactError with exactly one Problem.
        """
        digest = self._copy(reference, arch)
        if self._damaged(digest):  # skopeo trusts what is there; what was not right is deleted now
            digest = self._copy(reference, arch)
            if damaged := self._damaged(digest):
                _fail("artifact-digest", f"{reference} came with damaged blobs: {', '.join(damaged)}", reference)
        self._refuse_other_architecture(reference, arch, digest)
        return digest

    def _copy(self, reference: str, arch: str) -> str:
        work = self._cache.scratch()
        argv = [self._program, "--command-timeout", DEADLINE, "--override-os", "linux", "--override-arch", arch]
        argv += ["copy", "--quiet", "--retry-times", "2"]
        # As it is at the registry, byte by byte.
        argv += ["--dest-oci-accept-uncompressed-layers"]
        argv += ["--dest-shared-blob-dir", str(self._cache.images.directory / "blobs")]
        argv += [f"docker://{reference}", "oci:image"]  # relative: a colon in a path would begin a tag
        process = subprocess.Popen(
            argv, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        with process:
            while True:
                try:
                    said = process.communicate(timeout=LOOK)[1]
                    break
                except subprocess.TimeoutExpired:
                    if self._stop.is_set():
                        process.terminate()
        if self._stop.is_set():
            raise Interrupted("stopped")
        if process.returncode != 0:
            message = _last(said) or f"skopeo exited with {process.returncode} and said nothing"
            _fail(_code(message), message, reference)
        return ImageLayout(work / "image").images()[0].digest

    def _damaged(self, digest: str) -> list[str]:
        """Blobs of an image that are not what their name says; deletes them."""
        try:
            blobs = self._cache.images.blobs_of(digest)
        except (ArtifactError, KeyError, TypeError):
            blobs = [digest]  # the manifest itself
        damaged = [blob for blob in blobs if blob not in self._whole and not self._is_whole(blob)]
        for blob in damaged:
            self._cache.images.blob_path(blob).unlink(missing_ok=True)
        self._whole.update(set(blobs) - set(damaged))
        return damaged

    def _is_whole(self, blob: str) -> bool:
        path = self._cache.images.blob_path(blob)
        return path.is_file() and f"sha256:{sha256_of(path)}" == blob

    def _refuse_other_architecture(self, reference: str, arch: str, digest: str) -> None:
        """A tag that is no index is pulled whatever it is for; its programs would not start."""
        config = self._cache.images.blob_path(self._cache.images.blobs_of(digest)[1])
        found = json.loads(config.read_bytes()).get("architecture")
        if found != arch:
            _fail("artifact-missing", f"{reference} is an image for {found}, not for {arch}", reference)


def _last(said: str) -> str:
    """What skopeo said last, without the frame of its log."""
    line = said.strip().rpartition("\n")[2]
    found = LOGGED.search(line)
    return found["message"].replace('\\"', '"') if found else line


def _code(message: str) -> str:
    if any(word in message for word in DENIED):
        return "artifact-refused"
    return "artifact-missing" if any(word in message for word in UNKNOWN) else "artifact-unreachable"


def _fail(code: str, message: str, reference: str) -> NoReturn:
    registry = reference.partition("/")[0]
    repository = re.sub(r"(@|:[^:/]*$).*", "", reference)
    instead = "--image-repository" if registry == PUBLIC else "a mirror in registries.conf"
    hint = {
        "artifact-refused": f"if {registry} wants credentials: skopeo login {registry}",
        "artifact-missing": f"what {registry} has: skopeo list-tags docker://{repository}",
    }.get(code, f"this machine must reach {registry}, through https_proxy if need be; or use {instead}")
    message = message if reference in message else f"{reference}: {message}"
    raise ArtifactError(message, hint=hint, problems=[Problem("error", code, message, hint=hint)])
