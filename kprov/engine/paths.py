"""Where kprov keeps things on the controller: state, journals of runs, sockets. All private to the user."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def state_home() -> Path:
    """`$XDG_STATE_HOME/kprov`, default `~/.local/state/kprov`; made with mode 0700."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return _private(Path(base) / "kprov")


def cluster_home(cluster: str) -> Path:
    """What the controller keeps about one cluster: the lock and the journals."""
    return _private(state_home() / "clusters" / cluster)


def controller_id() -> str:
    """A random id of this user on this machine: tells the cluster's lock who holds it."""
    path = state_home() / "controller-id"
    if not path.exists():
        path.write_text(f"{uuid.uuid4()}\n")
    return path.read_text().strip()


def control_sockets() -> Path:
    """Directory of OpenSSH's control sockets: short, because a socket's path holds 108 bytes."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(runtime) < 40:
        return _private(Path(runtime) / "kprov")
    path = Path("/tmp") / f"kprov-{os.getuid()}"
    _private(path)
    owner = path.lstat()
    if path.is_symlink() or owner.st_uid != os.getuid():
        message = f"{path} belongs to somebody else"
        raise PermissionError(message)
    return path


def _private(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
