"""Files on a node: atomic writes, signatures, digests. Paths are opened as given (see kprov_paths.real)."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile

CHUNK = 1024 * 1024


def signature(path: str) -> list[int]:
    """[size, mtime_ns, ctime_ns, inode] of a file: equal signatures mean nobody wrote the file in between.

    Take it after the file has its final name and mode: rename and chmod change ctime.
    """
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def sha256(path: str) -> str:
    """SHA-256 of a file's content, as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def atomic_write(path: str, data: bytes, mode: int) -> None:
    """Replace a file as a whole: a reader, or a power cut, sees the old content or the new one, never a part.

    The temporary file lies in the same directory and has its mode and owner (root) before it gets its name. The
    directory must exist (make_directories). A symbolic link at path is replaced, not followed.
    """
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".kprov-", dir=directory)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            _own(file.fileno())
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_directory(directory)


def replace_content(path: str, data: bytes) -> None:
    """Replace what is in a file, atomically: its mode and owner stay, and a symbolic link stays one."""
    target = os.path.realpath(path)
    status = os.stat(target)
    atomic_write(target, data, stat.S_IMODE(status.st_mode))
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def write_json(path: str, value: object, mode: int = 0o600) -> None:
    """Write a value as JSON, atomically."""
    atomic_write(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode(), mode)


def read_json(path: str) -> dict | None:
    """The JSON object in a file; None if it is missing, damaged or something else: unknown."""
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def make_directories(path: str, mode: int = 0o755) -> None:
    """Create a directory and its parents with that mode whatever the umask; existing ones stay as they are."""
    for directory in missing_directories(path):
        os.mkdir(directory, mode)
        os.chmod(directory, mode)
        sync_directory(os.path.dirname(directory))


def missing_directories(path: str) -> list[str]:
    """The directories that make_directories(path) would create, outermost first."""
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def remove(path: str) -> bool:
    """Remove a file; says whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def sync_directory(path: str) -> None:
    """Make creations, renames and removals in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own(descriptor: int) -> None:
    if os.geteuid() == 0:  # anything else only happens in tests
        os.fchown(descriptor, 0, 0)
