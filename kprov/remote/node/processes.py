"""What runs: processes, the program that keeps the clock, how much of the kernel's limits all programs use."""

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


def running(program: str) -> list[int]:
    """Processes of a program, by the file name that they were started with, oldest first."""
    return [int(pid) for pid in sorted(_pids(), key=int) if _program(pid) == program]


def arguments(pid: int) -> list[str]:
    """What a process was started with, without its name; empty if it is gone."""
    return read.text_or(f"/proc/{pid}/cmdline").split("\0")[1:-1]


def started(pid: int) -> float | None:
    """When a process was, in seconds since the epoch; None if it is gone.

    proc(5): field 22 of stat counts clock ticks since boot; the name before it may hold spaces and brackets.
    """
    fields = read.text_or(f"/proc/{pid}/stat").rpartition(")")[2].split()
    boot = [line.split()[1] for line in read.text_or("/proc/stat").splitlines() if line.startswith("btime ")]
    if len(fields) < 20 or not boot:
        return None
    return int(boot[0]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def flag(args: list[str], name: str) -> str | None:
    """Value of --name=VALUE or --name VALUE, the last one; None if it is not there."""
    found = None
    for position, word in enumerate(args):
        if word.startswith(f"--{name}="):
            found = word.partition("=")[2]
        elif word == f"--{name}" and position + 1 < len(args):
            found = args[position + 1]
    return found


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


def _program(pid: str) -> str:
    return read.text_or(f"/proc/{pid}/cmdline").partition("\0")[0].rpartition("/")[2]
