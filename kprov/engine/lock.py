"""One operation at a time per cluster, on this controller.

The lock between controllers is on the first control plane (plugins/modules/kprov_lock.py). Holding this one proves that
an older lock of this controller on the node belongs to a process that is dead.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from kprov.engine.paths import cluster_home
from kprov.errors import LockedError


def holder() -> str:
    """user@controller, as shown to the operator who has to wait."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def controller_lock(cluster: str, operation: str) -> Iterator[None]:
    """Hold the cluster's lock on this controller. LockedError says who has it; the kernel frees it when we die."""
    path = cluster_home(cluster) / "lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise _locked(cluster, file.read()) from None
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"operation": operation, "holder": holder(), "pid": os.getpid(), "since": now}, file)
        file.flush()
        yield


def _locked(cluster: str, content: str) -> LockedError:
    try:
        other = json.loads(content)
        who = f"{other['holder']} runs `kprov {other['operation']}` (pid {other['pid']}) since {other['since']}"
    except (ValueError, KeyError):
        who = "another kprov process on this machine"
    return LockedError(f"cluster {cluster} is in use: {who}", hint="wait until it has ended, or end that process")
