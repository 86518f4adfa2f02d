"""One kprov module at a time on a node.

When kprov is killed, the module it had started goes on without it. The next run's modules wait here until that one has
finished, so the two never change the node together. (The cluster's lock, which keeps two operators apart, is the module
kprov_lock.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

from ansible.module_utils import kprov_paths

POLL = 0.05


class LockTimeout(Exception):
    """The node's lock did not become free in time; the message names the process that holds it."""


@contextlib.contextmanager
def node_lock(deadline: float = 120, check_mode: bool = False) -> Iterator[int | None]:
    """Hold the node's lock. All that a module does to change the node belongs inside, and reading what it decides on.

    Yields the lock's file descriptor. Hand it to a long-running child (`subprocess.run(..., pass_fds=(fd,))`,
    `module.run_command(..., pass_fds=[fd])`): the lock is then free only when the module AND the child have ended.
    In check mode nothing is written on the node, so there is no lock and None is yielded.

    Raises LockTimeout after `deadline` seconds; turn it into fail_json(msg=str(error)).
    """
    if check_mode:
        yield None
        return
    descriptor = os.open(kprov_paths.real(kprov_paths.NODE_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, deadline)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, deadline: float) -> None:
    end = time.monotonic() + deadline
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise LockTimeout(_explain(descriptor, deadline)) from None
        time.sleep(POLL)


def _explain(descriptor: int, deadline: float) -> str:
    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
    return (
        f"process {holder} holds {kprov_paths.NODE_LOCK} and has been changing this node for more than {deadline:g} s; "
        f"it belongs to a run of kprov that was killed or still runs: look at it with `ps -fp {holder}`, wait or end it"
    )
