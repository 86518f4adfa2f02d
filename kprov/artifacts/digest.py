"""SHA-256 of files and of what is being written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_all(paths: Iterable[Path]) -> dict[Path, str]:
    """Digests of many files; hashlib lets the other cores work meanwhile. Files that cannot be read are left out."""

    def digest(path: Path) -> str | None:
        try:
            return sha256_of(path)
        except OSError:
            return None

    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max_workers=4) as pool:
        return {path: found for path, found in zip(wanted, pool.map(digest, wanted), strict=True) if found is not None}


class Writer(Protocol):
    """All that is needed of a stream to write to."""

    def write(self, data: bytes, /) -> object: ...


class HashingWriter:
    """Passes writes on and knows the digest and the size of all of them: a file is read once less."""

    def __init__(self, stream: Writer) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        self._stream.write(data)
        self.size += len(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
