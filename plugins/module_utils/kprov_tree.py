"""Two directory trees compared entry by entry, as a copy must equal its source for a container runtime.

A runtime's images and containers are more than content: hard links, extended attributes (overlay's opaque directories,
file capabilities), owners, and devices (overlay's whiteouts) count, too.
"""

from __future__ import annotations

import os
import shutil
import stat
import zlib
from dataclasses import dataclass, field
from typing import Iterator

CHUNK = 1024 * 1024
# A file system makes it; it belongs to no tree.
OF_THE_FILE_SYSTEM = "lost+found"
# Says how a file system stores a file, not what is in it.
STORAGE_ATTRIBUTES = ("btrfs.", "system.ntfs")
SHOWN = 5


@dataclass
class Comparison:
    """What a comparison saw. different: path below the root to what is the matter with it."""

    entries: int = 0
    bytes: int = 0
    hard_links: int = 0  # names beyond the first of a file
    attributes: int = 0  # extended ones
    read: int = 0  # bytes of content that were compared
    different: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """For people: how much was compared, or what differs."""
        if not self.different:
            return (
                f"{self.entries} entries, {self.bytes} bytes, {self.hard_links} hard links, {self.attributes} extended"
                f" attributes are the same; of the content {self.read} bytes were read again"
            )
        first = [f"{path}: {why}" for path, why in sorted(self.different.items())[:SHOWN]]
        return f"{len(self.different)} of {self.entries} entries differ: {'; '.join(first)}"


def entries(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """(path below root, lstat) of everything below a directory, itself as "."; other file systems are left out."""
    top = os.lstat(root)
    yield ".", top
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(root, directory)) as found:
            names = sorted(entry.name for entry in found)
        for name in names:
            if not directory and name == OF_THE_FILE_SYSTEM:
                continue
            path = os.path.join(directory, name)
            status = os.lstat(os.path.join(root, path))
            yield path, status
            if stat.S_ISDIR(status.st_mode) and status.st_dev == top.st_dev:
                pending.append(path)


def size(root: str) -> tuple[int, int]:
    """(bytes on disk, entries) below a directory; a file with several names counts once."""
    used, seen, links = 0, 0, set()
    for _, status in entries(root):
        seen += 1
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in links:
                continue
            links.add(status.st_ino)
        used += status.st_blocks * 512
    return used, seen


def compare(source: str, target: str, sample: int = 0) -> Comparison:
    """Compare everything; of content, about `sample` bytes, spread over all files, databases first."""
    done = Comparison()
    total = size(source)[0] if sample else 0
    every = max(1, total // sample) if sample else 0
    twins: dict[int, int] = {}
    groups: dict[int, list[str]] = {}
    there = set()
    for path, status in entries(source):
        there.add(path)
        done.entries += 1
        other = os.path.join(target, path)
        why = _difference(os.path.join(source, path), status, other, done)
        if not why and stat.S_ISREG(status.st_mode):
            done.bytes += status.st_size
            if every and (path.endswith(".db") or zlib.crc32(path.encode(errors="replace")) % every == 0):
                why = _content(os.path.join(source, path), other, done)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            names = groups.setdefault(status.st_ino, [])
            names.append(path)
            done.hard_links += len(names) > 1
            if not why and twins.setdefault(status.st_ino, os.lstat(other).st_ino) != os.lstat(other).st_ino:
                why = "is not the same file as its hard links"
        if why:
            done.different[path] = why
    for path, _ in entries(target):
        if path not in there:
            done.different[path] = "is not in the source"
    for names in groups.values():  # a file with several names is right as a whole, or to be made as a whole
        if any(name in done.different for name in names):
            for name in names:
                done.different.setdefault(name, "one of its hard links differs")
    return done


def reconcile(source: str, target: str) -> int:
    """Remove from the target what is not as in the source, so that a copy of what is missing completes it.

    Returns how many entries went. A directory stays: a copy gives it the right owner, mode and attributes.
    """
    gone = 0
    for path, why in compare(source, target).different.items():
        other = os.path.join(target, path)
        if not os.path.lexists(other) or path == ".":
            continue
        if os.path.isdir(other) and not os.path.islink(other):
            twin = os.path.join(source, path)
            if os.path.isdir(twin) and not os.path.islink(twin):
                continue
            shutil.rmtree(other)
        else:
            os.unlink(other)
        gone += bool(why)
    return gone


def _difference(source: str, status: os.stat_result, target: str, done: Comparison) -> str:
    """What is the matter with the target of an entry, content aside; "" if nothing."""
    try:
        other = os.lstat(target)
    except FileNotFoundError:
        return "is missing"
    why = _inode(source, status, target, other)
    attributes = extended(source)
    done.attributes += len(attributes)
    if not why and attributes != extended(target):
        why = "has other extended attributes"
    return why


def _inode(source: str, status: os.stat_result, target: str, other: os.stat_result) -> str:
    kind, why = stat.S_IFMT(status.st_mode), ""
    if kind != stat.S_IFMT(other.st_mode):
        return "is of another kind"
    for name in ("st_mode", "st_uid", "st_gid"):
        if getattr(status, name) != getattr(other, name):
            return f"{name} is {getattr(other, name)}, not {getattr(status, name)}"
    if kind == stat.S_IFREG:
        if status.st_size != other.st_size:
            why = f"has {other.st_size} bytes, not {status.st_size}"
        elif not _same_time(status.st_mtime_ns, other.st_mtime_ns):
            why = "was not copied to its end"
    elif kind == stat.S_IFLNK and os.readlink(source) != os.readlink(target):
        why = "points elsewhere"
    elif kind in (stat.S_IFCHR, stat.S_IFBLK) and status.st_rdev != other.st_rdev:
        why = "is another device"
    return why


def _same_time(wanted: int, found: int) -> bool:
    """Nanoseconds; some file systems keep whole seconds only."""
    return wanted == found or (found % 10**9 == 0 and wanted // 10**9 == found // 10**9)


def extended(path: str) -> dict[str, bytes]:
    """Extended attributes of an entry, not of what it points to."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:  # a file system without any
        return {}
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in names
        if not name.startswith(STORAGE_ATTRIBUTES)
    }


def _content(source: str, target: str, done: Comparison) -> str:
    with open(source, "rb") as wanted, open(target, "rb") as found:
        os.posix_fadvise(found.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # what the disk has, not what the cache has
        while True:
            chunk, other = wanted.read(CHUNK), found.read(CHUNK)
            done.read += len(chunk)
            if chunk != other:
                return "has other content"
            if not chunk:
                return ""
