"""Downloads that are kept, named by their content: a second try asks only for what is missing."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kprov.artifacts.oci import ImageLayout
from kprov.ui.progress import Progress


def default_directory() -> Path:
    """`$XDG_CACHE_HOME/kprov/downloads`, by default ~/.cache/kprov/downloads."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kprov" / "downloads"


class DownloadCache:
    """A directory of whole files (`files/SHA256`), files that have begun (`partial/SHA256`) and blobs of images.

    A bundle shares its files with the cache as hard links, so that somebody who edits a bundle edits the cache:
    whoever takes a thing from it checks its digest first. Use it inside `open()`.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()
        # Image layouts without an index: what skopeo fills as a shared blob directory.
        self.images = ImageLayout(self.directory / "images")

    @contextmanager
    def open(self, progress: Progress) -> Iterator[None]:
        """One process at a time; the kernel drops the lock when the process ends, however it ends."""
        for part in ("files", "partial", "images/blobs/sha256"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.step(f"waiting for another kprov that downloads into {self.directory}")
                fcntl.flock(file, fcntl.LOCK_EX)
            shutil.rmtree(self._work, ignore_errors=True)  # of one that was killed
            self._work.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self._work, ignore_errors=True)

    @property
    def _work(self) -> Path:
        return self.directory / "work"

    def file(self, sha256: str) -> Path:
        """Where a whole file is, or will be."""
        return self.directory / "files" / sha256

    def partial(self, sha256: str) -> Path:
        """Where the beginning of a file is, or will be."""
        return self.directory / "partial" / sha256

    def scratch(self) -> Path:
        """A new empty directory, gone when the cache is closed."""
        return Path(tempfile.mkdtemp(dir=self._work))
