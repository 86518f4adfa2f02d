"""Is a file, a unit or an image still as it was recorded? Every function returns the problem in a word or two."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any

from kprov.remote.node import commands, read, runtime

SYSTEMCTL_TIMEOUT = 5.0  # seconds
IMAGES_TIMEOUT = 3.0  # seconds
CHUNK = 1024 * 1024


def file(path: str, entry: Any) -> str | None:
    """entry: {"sha256", "stat": [size, mtime_ns, ctime_ns, inode], "mode": "0644", "uid", "gid"}, all optional.

    A file with the recorded stat was not written since and is not hashed.
    """
    if not isinstance(entry, dict):
        return "recorded in an unknown form"
    try:
        status = os.stat(read.real(path))  # noqa: PTH116
    except OSError:
        return "missing"
    wrong = _wrong_owner_or_mode(entry, status)
    if entry.get("stat") == [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]:
        return wrong
    digest = entry.get("sha256")
    if digest and (not stat.S_ISREG(status.st_mode) or sha256(path) != digest):
        return "differs"
    return wrong


def _wrong_owner_or_mode(entry: dict[str, Any], status: os.stat_result) -> str | None:
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if entry.get("mode") not in (None, mode):
        return f"has mode {mode}, not {entry['mode']}"
    for name, value in (("uid", status.st_uid), ("gid", status.st_gid)):
        if entry.get(name) not in (None, value):
            return f"has {name} {value}, not {entry[name]}"
    return None


def sha256(path: str) -> str | None:
    """SHA-256 of a file's content, as hex; None if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(read.real(path), "rb") as content:  # noqa: PTH123
            while chunk := content.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def swap(recorded: Any) -> str | None:
    """Swap areas in use, if the record says that swap is off."""
    if not isinstance(recorded, dict) or recorded.get("wanted") != "off":
        return None
    areas = [line.split()[0] for line in read.text_or("/proc/swaps").splitlines()[1:]]
    return f"is on ({', '.join(areas)})" if areas else None


def unit(entry: Any, state: str | None) -> str | None:
    """entry: {"start_if": path or None}; a unit must be active unless the path it waits for is missing."""
    condition = entry.get("start_if") if isinstance(entry, dict) else None
    if state in ("active", "reloading") or state is None or (condition and not read.exists(condition)):
        return None
    return "inactive"


def unit_states(units: set[str]) -> dict[str, str]:
    """Unit to ActiveState, with one call for all of them; empty if systemd does not answer."""
    systemctl = commands.find("systemctl") if units else None
    if systemctl is None:
        return {}
    names = sorted(units)
    shown = commands.output([systemctl, "show", "--property=ActiveState", "--", *names], SYSTEMCTL_TIMEOUT)
    states = [line.partition("=")[2] for line in (shown or "").splitlines() if line.startswith("ActiveState=")]
    return dict(zip(names, states)) if len(states) == len(names) else {}  # noqa: B905 (Python 3.9)


def images(bin_dir: str) -> set[str] | None:
    """References of the images that containerd has for Kubernetes; None if it does not answer."""
    ctr = commands.find("ctr", bin_dir)
    if ctr is None or not read.exists(runtime.CONTAINERD):
        return None
    listed = commands.output([ctr, "--namespace", "k8s.io", "images", "ls", "--quiet"], IMAGES_TIMEOUT)
    return None if listed is None else set(listed.split())
