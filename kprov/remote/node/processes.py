"""What runs: the program that keeps the clock, and how much of the kernel's limits all programs together use."""

from __future__ import annotations

import os
from typing import Any

from kprov.remote.node import read

# Names of processes, cut at 15 characters as the kernel does: chrony, systemd-timesyncd, ntpd (also NTPsec's and
# OpenNTPD's), PTP.
TIME = frozenset({"chronyd", "systemd-timesyn", "ntpd", "ptp4l", "phc2sys"})
INOTIFY = "anon_inode:inotify"


def time_service() -> str:
    """Name of a running process that keeps the clock; empty if there is none."""
    return next((name for pid in _pids() if (name := _name(pid)) in TIME), "")


def usage() -> dict[str, dict[str, Any]]:
    """Limit of the whole machine (inotify instances: of the user root) to {"used", "limit", "top"}."""
    # /proc/sys/fs/file-nr: allocated, free, limit. /proc/loadavg: load, load, load, running/all threads, last pid.
    allocated, _, files = read.text("/proc/sys/fs/file-nr").split()
    threads = read.text("/proc/loadavg").split()[3].partition("/")[2]
    return {
        "inotify_instances": _inotify(),
        "open_files": {"used": int(allocated), "limit": int(files)},
        "processes": {"used": int(threads), "limit": int(read.text("/proc/sys/kernel/pid_max"))},
    }


def _inotify() -> dict[str, Any]:
    """inotify instances of root's processes: the limit counts per user, and kubelet and runtime are root's."""
    counts = {}
    for pid in _pids():
        try:
            if os.stat(read.real(f"/proc/{pid}")).st_uid == 0:  # noqa: PTH116
                counts[pid] = _instances(pid)
        except OSError:
            continue
    most = max(counts, key=lambda pid: counts[pid], default=None)
    top = f"{_name(most)} (pid {most}) has {counts[most]}" if most else ""
    limit = int(read.text("/proc/sys/fs/inotify/max_user_instances"))
    return {"used": sum(counts.values()), "limit": limit, "top": top}


def _instances(pid: str) -> int:
    directory = read.real(f"/proc/{pid}/fd")
    count = 0
    for descriptor in read.names(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"{directory}/{descriptor}") == INOTIFY  # noqa: PTH115
        except OSError:
            continue
    return count


def _pids() -> list[str]:
    return [name for name in read.names("/proc") if name.isdigit()]


def _name(pid: str) -> str:
    return read.text_or(f"/proc/{pid}/comm").strip()
