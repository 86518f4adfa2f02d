"""Images that the runtime has for Kubernetes: which are there, import of an archive, pull, pinning."""

from __future__ import annotations

import os
import subprocess
from typing import BinaryIO

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_artifact_files import ArtifactError
from ansible.module_utils.kprov_docker_api import Docker, DockerError
from ansible.module_utils.kprov_paths import ARTIFACTS, real
from ansible.module_utils.kprov_state import make_state_directory

PIN = "io.cri-containerd.pinned"
DEADLINE = 900


class ImageStore:
    """containerd's images, through ctr and crictl. `runtime`: unix:///path of the CRI socket."""

    def __init__(self, bin_dir: str, runtime: str) -> None:
        self._ctr = [os.path.join(bin_dir, "ctr"), "-n", "k8s.io"]
        self._crictl = [os.path.join(bin_dir, "crictl"), "--runtime-endpoint", runtime, "--image-endpoint", runtime]
        self._record = real(f"{ARTIFACTS}/images.json")

    def missing(self, wanted: list[dict]) -> list[dict]:
        """Those of [{"ref", "digest"}] that are not there whole. A digest of None means any image of that name.

        An image is whole when kprov finished importing it (a killed import leaves images that are not unpacked).
        """
        present = self._list() if wanted else {}
        finished = self._finished()
        return [image for image in wanted if not self._is_there(image, present, finished)]

    def import_archive(self, archive: BinaryIO) -> None:
        """Import an OCI archive; the kubelet's image garbage collection then leaves its images alone."""
        command = [*self._ctr, "images", "import", "--local", "--label", f"{PIN}=pinned", "-"]
        self._run(command, "importing the images", archive)

    def pull(self, images: list[dict]) -> None:
        """Let the runtime pull each image from its registry (or the mirrors that the runtime's configuration names)."""
        for image in images:
            command = [*self._crictl, "--timeout", f"{DEADLINE}s", "pull", image["ref"]]
            self._run(command, f"pulling {image['ref']}")
            self._pin(image["ref"])

    def release(self, phase: str, wanted: list[dict]) -> list[str]:
        """Unpin images that this phase brought earlier and no longer needs; the kubelet may then remove them."""
        keep = {image["ref"] for image in wanted}
        finished = self._finished()
        old = [ref for ref, entry in finished.items() if entry.get("phase") == phase and ref not in keep]
        present = self._list() if old else {}
        for ref in old:
            if ref in present:
                self._unpin(ref)
            del finished[ref]
        if old:
            self._save(finished)
        return old

    def finish(self, phase: str, images: list[dict]) -> None:
        """Record images as completely imported."""
        finished = self._finished()
        finished.update({image["ref"]: {"digest": image.get("digest"), "phase": phase} for image in images})
        self._save(finished)

    def _is_there(self, image: dict, present: dict, finished: dict) -> bool:
        digest = present.get(image["ref"])
        if image["ref"] not in finished or digest is None:
            return False
        return not image.get("digest") or digest == image["digest"]

    def _pin(self, ref: str) -> None:
        self._run([*self._ctr, "images", "label", ref, f"{PIN}=pinned"], f"pinning {ref}")

    def _unpin(self, ref: str) -> None:
        self._run([*self._ctr, "images", "label", ref, f"{PIN}="], f"unpinning {ref}")

    def _list(self) -> dict[str, str]:
        """Reference to digest."""
        found = {}
        for line in self._run([*self._ctr, "images", "ls"], "listing images").splitlines()[1:]:
            columns = line.split()
            if len(columns) > 2:
                found[columns[0]] = columns[2]
        return found

    def _finished(self) -> dict[str, dict]:
        return (kprov_fs.read_json(self._record) or {}).get("images") or {}

    def _save(self, images: dict) -> None:
        make_state_directory(ARTIFACTS)
        kprov_fs.write_json(self._record, {"schema": 1, "images": images})

    def _run(self, command: list[str], what: str, stdin: BinaryIO | int = subprocess.DEVNULL) -> str:
        try:
            done = subprocess.run(
                command, stdin=stdin, capture_output=True, text=True, timeout=DEADLINE + 30, check=False
            )
        except FileNotFoundError as error:
            raise ArtifactError(f"{what}: {command[0]} is not installed (phase container_runtime)") from error
        except subprocess.TimeoutExpired as error:
            raise ArtifactError(f"{what} did not end within {DEADLINE} s") from error
        if done.returncode != 0:
            said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise ArtifactError(f"{what}: {os.path.basename(command[0])} exited with {done.returncode}: {said}")
        return done.stdout


class DockerImageStore(ImageStore):
    """Docker Engine's images. Their digest is that of their configuration, and Docker has no pins."""

    def import_archive(self, archive: BinaryIO) -> None:
        """Load an archive that has Docker's manifest.json."""
        try:
            Docker(timeout=DEADLINE).load(archive)
        except DockerError as error:
            raise ArtifactError(str(error)) from error

    def _pin(self, ref: str) -> None:
        pass

    def _unpin(self, ref: str) -> None:
        pass

    def _list(self) -> dict[str, str]:
        try:
            return Docker().images()
        except DockerError as error:
            raise ArtifactError(f"{error} (phase container_runtime)") from error


def image_store(container_runtime: str, bin_dir: str, socket: str) -> ImageStore:
    """The store of the node's runtime. socket: unix:///path of the CRI."""
    return {"containerd": ImageStore, "docker": DockerImageStore}[container_runtime](bin_dir, socket)
