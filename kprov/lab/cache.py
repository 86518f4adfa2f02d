"""A cache of things that are slow to make: a finished thing is a directory named by what it was made of."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kprov.ui.progress import Progress


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/kprov`, by default ~/.cache/kprov."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kprov"


class Cache:
    """A cache directory. Whoever makes something in it holds `locked()`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[None]:
        """One process at a time. The kernel drops the lock when the process ends, however it ends."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.step(f"lab: waiting for another build in {self.directory}")
                fcntl.flock(file, fcntl.LOCK_EX)
            # Only now is it certain that nobody works there.
            shutil.rmtree(self.directory / "unfinished", ignore_errors=True)
            yield

    def path(self, kind: str, name: str) -> Path:
        """Where a thing is, or will be."""
        return self.directory / kind / name

    def made(self, kind: str, name: str, make: Callable[[Path], None]) -> Path:
        """The directory `kind/name`. When it is missing, `make` fills one that is then renamed: never half there."""
        done = self.path(kind, name)
        if done.is_dir():
            return done
        work = self.directory / "unfinished" / kind / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        make(work)
        done.parent.mkdir(parents=True, exist_ok=True)
        work.replace(done)
        return done

    def scratch(self, name: str) -> Path:
        """A new empty directory for what is needed only while something is made."""
        path = self.directory / "unfinished" / f"scratch-{name}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def log(self, name: str) -> Path:
        """A log file; its directory exists."""
        path = self.directory / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
