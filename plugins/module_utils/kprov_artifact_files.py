"""Files of artifacts on a node: what is installed, and how a checked file gets into its place."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import shutil
import stat
import tarfile

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import ARTIFACTS, real
from ansible.module_utils.kprov_state import PhaseRecord, keep_original, make_state_directory, owned_files

MODE = 0o755


class ArtifactError(Exception):
    """An artifact cannot be had or installed; the message is for the user."""


class FileArtifact:
    """A file that should be installed: as it is at `path`, or unpacked by `unpack` ({glob of members: directory})."""

    def __init__(self, name: str, version: str, url: str, sha256: str, path: str | None, unpack: dict | None) -> None:
        self.name = name
        self.version = version
        self.url = url
        self.sha256 = sha256
        self.path = path
        self.unpack = unpack or {}
        self._record = real(f"{ARTIFACTS}/{name}.json")

    def recorded(self) -> dict:
        """What /var/lib/kprov/artifacts says of this artifact, whatever its version."""
        return kprov_fs.read_json(self._record) or {}

    def installed(self) -> dict[str, dict] | None:
        """Entries of the installed files if they are this version's and nobody touched them, else None."""
        record = self.recorded()
        if record.get("sha256") != self.sha256 or record.get("target") != self._target() or not record.get("files"):
            return None
        current = {path: _current(path, entry) for path, entry in record["files"].items()}
        return current if all(current.values()) else None

    def install(self, staged: str, phase: PhaseRecord) -> str:
        """Put the checked file at `staged` into place, remove what an older version had and this one has not."""
        before = self.recorded()
        temporaries: dict[str, str] = {}
        try:
            digests = self._unpack(staged, temporaries) if self.unpack else self._take(staged, temporaries)
            owned = installed_files() | set(owned_files())
            phase.add_files({path: _entry(digest, None) for path, digest in digests.items()})
            for path in digests:
                if path not in owned:
                    keep_original(path)
            for path, temporary in list(temporaries.items()):
                os.replace(temporary, real(path))
                del temporaries[path]
        finally:
            for temporary in temporaries.values():
                kprov_fs.remove(temporary)
        for path in set(before.get("files", {})) - set(digests):
            kprov_fs.remove(real(path))
        files = {path: _entry(digest, kprov_fs.signature(real(path))) for path, digest in digests.items()}
        make_state_directory(ARTIFACTS)
        document = {"schema": 1, "name": self.name, "version": self.version, "sha256": self.sha256}
        kprov_fs.write_json(self._record, {**document, "target": self._target(), "files": files})
        phase.add_files(files)
        return describe(self.name, before.get("version"), self.version)

    def _target(self) -> dict:
        return {"path": self.path, "unpack": self.unpack}

    def _take(self, staged: str, temporaries: dict[str, str]) -> dict[str, str]:
        """A plain file: move it beside its target; on another file system it has to be copied."""
        temporary = _beside(str(self.path), temporaries)
        try:
            os.rename(staged, temporary)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(staged, temporary)
        _finish(temporary)
        return {str(self.path): self.sha256}

    def _unpack(self, staged: str, temporaries: dict[str, str]) -> dict[str, str]:
        """Executables of an archive that match a glob, each to the directory that the glob names."""
        digests: dict[str, str] = {}
        try:
            with tarfile.open(staged) as archive:
                for member in archive:
                    directory = self._directory(member)
                    if directory:
                        path = os.path.join(directory, os.path.basename(member.name))
                        digests[path] = _extract(archive, member, _beside(path, temporaries))
        except (tarfile.TarError, EOFError) as error:
            raise ArtifactError(f"{self.name} {self.version}: {self.url} is not a readable archive: {error}") from error
        if not digests:
            patterns = ", ".join(self.unpack)
            raise ArtifactError(f"{self.name} {self.version}: {self.url} has no executable that matches {patterns}")
        return digests

    def _directory(self, member: tarfile.TarInfo) -> str | None:
        name = os.path.normpath(member.name)
        if not member.isfile() or not member.mode & stat.S_IXUSR:
            return None
        for pattern, directory in self.unpack.items():
            if name.count("/") == pattern.count("/") and fnmatch.fnmatch(name, pattern):
                return directory
        return None


def installed_files() -> set[str]:
    """Paths of every file that an artifact's record names."""
    found: set[str] = set()
    try:
        names = os.listdir(real(ARTIFACTS))
    except FileNotFoundError:
        return found
    for name in names:
        document = kprov_fs.read_json(real(f"{ARTIFACTS}/{name}")) or {}
        found.update(document.get("files") or {})
    return found


def describe(name: str, before: str | None, after: str) -> str:
    """One line for the result: "kubelet 1.36.2 -> 1.36.3"."""
    if before and before != after:
        return f"{name} {before} -> {after}"
    return f"{name} {after} {'repaired' if before else 'installed'}"


def _entry(sha256: str, signature: list[int] | None) -> dict:
    return {"sha256": sha256, "stat": signature, "mode": f"{MODE:04o}"}


def _current(path: str, entry: dict) -> dict | None:
    """The entry, with a fresh signature; None if the file is not the one that was installed."""
    try:
        signature = kprov_fs.signature(real(path))
        mode = stat.S_IMODE(os.stat(real(path)).st_mode)
    except OSError:
        return None
    same = signature == entry.get("stat") or kprov_fs.sha256(real(path)) == entry.get("sha256")
    return _entry(entry["sha256"], signature) if same and mode == MODE else None


def _beside(path: str, temporaries: dict[str, str]) -> str:
    """A name in the target's directory, registered for removal: renaming it into place is atomic."""
    directory, name = os.path.split(real(path))
    kprov_fs.make_directories(directory)
    temporaries[path] = os.path.join(directory, f".kprov-{name}.new")
    return temporaries[path]


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> str:
    digest = hashlib.sha256()
    source = archive.extractfile(member)
    kprov_fs.remove(target)
    with open(target, "xb") as file:
        for chunk in iter(lambda: source.read(kprov_fs.CHUNK), b""):
            digest.update(chunk)
            file.write(chunk)
    _finish(target)
    return digest.hexdigest()


def _finish(path: str) -> None:
    """Mode, owner, and on the disk before it gets its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, MODE)
        if os.geteuid() == 0:
            os.fchown(descriptor, 0, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
