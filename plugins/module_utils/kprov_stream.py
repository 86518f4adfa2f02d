"""On the node: data that the controller sends while a module uses it, through a FIFO; it never lies on the disk."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from typing import BinaryIO, Iterator

FIFO = ".images"  # of images, beside the staging directory: the module moves that to where only root can write
DEADLINE = 60.0
CHUNK = 1024 * 1024


class StreamError(Exception):
    """Nobody sends; the message is for the user."""


@contextlib.contextmanager
def received(path: str) -> Iterator[BinaryIO]:
    """The file to read from: a FIFO that the controller writes to, or a file that it has sent.

    Once this is entered, the writer cannot hang for want of a reader; once it is left, its next write fails and the
    path is gone. StreamError if path is anything else.
    """
    mode = os.lstat(path).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        raise StreamError(f"{path} is neither a FIFO nor a file; refusing it")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        try:
            yield file
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def drain(file: BinaryIO) -> None:
    """Read the rest: a reader of an archive may stop at its end mark, and the writer could not write the padding."""
    while file.read(CHUNK):
        pass


def wait(file: BinaryIO, deadline: float = DEADLINE) -> None:
    """Return when there is something to read, and let reads wait from now on. StreamError after deadline seconds."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    if not poll.poll(deadline * 1000):
        raise StreamError(f"the controller sent nothing within {deadline:g} s")
    os.set_blocking(file.fileno(), True)
