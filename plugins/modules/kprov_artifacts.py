#!/usr/bin/python
"""kprov_artifacts, on the node: binaries and images of one phase, all in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_artifacts
short_description: Install files and images from publishers, a mirror or a bundle
description:
  - Called through the action plugin of the same name, which adds what the manifest says. Every digest is checked before
    anything is installed. Files that kprov replaces and did not install itself are kept in /var/lib/kprov/originals.
  - In containerd images are pinned, so that the kubelet's garbage collection leaves them alone. Docker has no pins.
options:
  phase: {description: Phase that owns the artifacts., type: str, required: true}
  files:
    description: Files; C(path) installs one as it is, C(unpack) the executables of an archive that match a glob.
    type: list
    elements: dict
  images: {description: "Purposes of images: node, control_plane, ...", type: list, elements: str}
  record: {description: "The phase ends with this call: cluster and fingerprints for its record.", type: dict}
  mode: {description: Set by the action plugin., type: str}
  staging: {description: Set by the action plugin., type: path}
  archive: {description: Set by the action plugin., type: path}
  bin_dir: {description: Set by the action plugin., type: path}
  runtime: {description: Set by the action plugin., type: str}
  container_runtime: {description: Set by the action plugin., type: str}
author: kprov
"""

import os
import platform
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import BinaryIO

from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_artifact_files import ArtifactError, FileArtifact
from ansible.module_utils.kprov_artifact_images import ImageStore, image_store
from ansible.module_utils.kprov_download import download, wrong_digest
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_module import RECORD, end_phase
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import PhaseRecord, make_state_directory
from ansible.module_utils.kprov_stream import StreamError, drain, received, wait

PART = "kprov_artifacts"
STAGING = STATE + "/staging"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Wanted:
    """What this node should have, of the variants for each architecture that the action sent."""

    def __init__(self, files: list[dict], images: dict[str, list[dict]]) -> None:
        machine = platform.machine()
        self.arch = ARCHITECTURES.get(machine, machine)
        self.files = [self._file(entry) for entry in files]
        self.images = images.get(self.arch, [])
        if images and not self.images:
            raise ArtifactError(f"there are no images for {self.arch}, only for {', '.join(sorted(images))}")

    def _file(self, entry: dict) -> FileArtifact:
        name, version, variants = entry["name"], entry["version"], entry["variants"]
        if self.arch not in variants:
            has = ", ".join(sorted(variants))
            raise ArtifactError(f"{name} {version} is not available for {self.arch}, only for {has}")
        variant = variants[self.arch]
        return FileArtifact(name, version, variant["url"], variant["sha256"], entry.get("path"), entry.get("unpack"))


def missing_files(wanted: Wanted, record: PhaseRecord) -> list[FileArtifact]:
    """Artifacts that are not installed; the others are reported as the phase's."""
    missing, present = [], {}
    for artifact in wanted.files:
        files = artifact.installed()
        if files is None:
            missing.append(artifact)
        else:
            present.update(files)
    record.add_files(present)
    return missing


def missing_images(wanted: Wanted, store: ImageStore, check_mode: bool) -> list[dict]:
    """Images that are not there. In check mode the runtime may not be installed yet: then all are missing."""
    try:
        return store.missing(wanted.images)
    except ArtifactError:
        if not check_mode:
            raise
        return wanted.images


def check_staged(artifacts: list[FileArtifact], staging: str) -> None:
    """Hash the files that the controller sent, all of them, before anything is installed; the runtime hashes images."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(lambda artifact: kprov_fs.sha256(os.path.join(staging, artifact.name)), artifacts))
    for position, artifact in enumerate(artifacts):
        if digests[position] != artifact.sha256:
            raise wrong_digest(artifact, f"{artifact.url} of the bundle", digests[position])


def take_over(staging: str) -> str:
    """Move what another user uploaded to where only root can write, before it is checked."""
    make_state_directory(STAGING)
    own = os.path.join(real(STAGING), os.path.basename(staging))
    if staging != own:
        try:
            os.rename(staging, own)
        except OSError:  # another file system
            shutil.copytree(staging, own)
            shutil.rmtree(staging)
    for path in (own, *(os.path.join(own, name) for name in os.listdir(own))):
        if os.path.islink(path):
            raise ArtifactError(f"{path} is a symbolic link; refusing it")
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
    return own


def new_staging() -> str:
    """An empty staging directory. What killed runs left is removed: the node's lock is held, nobody uses it."""
    make_state_directory(STAGING)
    with os.scandir(real(STAGING)) as left:
        for entry in left:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:  # a FIFO of kprov_stream
                os.unlink(entry.path)
    return tempfile.mkdtemp(dir=real(STAGING))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "record": RECORD,
            "files": {"type": "list", "elements": "dict", "default": []},
            "images": {"type": "dict", "default": {}},
            "mode": {"type": "str", "choices": ["query", "install", "fetch"], "required": True},
            "staging": {"type": "path"},
            "archive": {"type": "path"},
            "bin_dir": {"type": "path", "required": True},
            "runtime": {"type": "str", "required": True},
            "container_runtime": {"type": "str", "choices": ["containerd", "docker"], "required": True},
        },
        supports_check_mode=True,
    )
    try:
        archive = module.params["archive"]
        # First of all: from now on, what the controller sends has a reader, however this ends.
        with received(archive) if archive else nullcontext() as images, node_lock(check_mode=module.check_mode):
            result = run(module.params, module.check_mode, images)
            # What is missing is sent now; the call that installs it ends the phase.
            module.exit_json(**(result if "missing" in result else end_phase(module, result)))
    except (ArtifactError, LockTimeout, StreamError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'node'}: {error.strerror or error}")


def run(params: dict, check_mode: bool, archive: BinaryIO | None = None) -> dict:
    """Install what is missing; in mode query, or in check mode, only say what that is.

    archive: with the missing images; None: the runtime pulls them.
    """
    staging = None
    try:
        wanted = Wanted(params["files"], params["images"])
        store = image_store(params["container_runtime"], params["bin_dir"], params["runtime"])
        record = PhaseRecord.open(params["phase"], check_mode, part=PART)
        files = missing_files(wanted, record)
        images = missing_images(wanted, store, check_mode)
        changes = [f"{artifact.name} {artifact.version}" for artifact in files] + [image["ref"] for image in images]
        if check_mode:
            return {"changed": bool(changes), "changes": changes, "arch": wanted.arch}
        if params["mode"] == "query" and changes:
            missing = {
                "arch": wanted.arch,
                "files": [artifact.name for artifact in files],
                "images": [image["source"] for image in images],
            }
            return {"changed": False, "changes": changes, "missing": missing}
        if params["mode"] == "install":
            staging = take_over(params["staging"])
            check_staged(files, staging)
            staged = {artifact.name: os.path.join(staging, artifact.name) for artifact in files}
        else:
            staging = new_staging() if files else None
            staged = download(files, staging) if files else {}
        done = [artifact.install(staged[artifact.name], record) for artifact in files]
        if images and archive:
            wait(archive)
            store.import_archive(archive)
            drain(archive)
        else:
            store.pull(images)
        if images:
            store.finish(params["phase"], images)
        released = store.release(params["phase"], wanted.images)
        done += [f"image {image['ref']}" for image in images] + [f"image {ref} no longer needed" for ref in released]
        return {"changed": bool(done), "changes": done, "arch": wanted.arch}
    finally:
        for directory in {staging, params["staging"]} - {None}:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
