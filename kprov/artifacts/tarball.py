"""Tar archives that come out the same every time: sorted, no owner, no time. Image layers and release archives."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from kprov.artifacts.digest import Writer


def tree_members(directory: Path) -> dict[str, Path]:
    """Everything below a directory as `write_tar` takes it: path in the archive -> path on disk."""
    return {str(path.relative_to(directory)): path for path in directory.rglob("*")}


def write_tar(stream: Writer, members: Mapping[str, Path]) -> None:
    """Writes an uncompressed tar of `members` (path in the archive -> file, directory or symbolic link on disk).

    Parent directories are added. Files get 0755 when they are executable, else 0644; owner 0:0; time 0.
    """
    everything: dict[str, Path | None] = {}
    for name, source in members.items():
        relative = PurePosixPath(name.lstrip("/"))
        for parent in relative.parents:
            if parent != PurePosixPath("."):
                everything.setdefault(str(parent), None)
        everything[str(relative)] = source
    # GNU format: plain for short names, and no time stamps of the machine in extended headers.
    # Mode "w|" only writes.
    with tarfile.open(
        fileobj=cast("IO[bytes]", stream), mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20
    ) as archive:
        for name in sorted(everything):
            _add(archive, name, everything[name])


def write_tar_gz(stream: IO[bytes], members: Mapping[str, Path]) -> None:
    """The same, with gzip level 1: the lab's nodes are near and the CPU is what is scarce."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=1, mtime=0) as compressed:
        write_tar(compressed, members)


def _add(archive: tarfile.TarFile, name: str, source: Path | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o755
    if source is not None and source.is_symlink():
        entry.type = tarfile.SYMTYPE
        entry.linkname = str(source.readlink())
        archive.addfile(entry)
    elif source is None or source.is_dir():
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        status = source.stat()
        entry.size = status.st_size
        entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
        with source.open("rb") as content:
            archive.addfile(entry, content)
