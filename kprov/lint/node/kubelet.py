"""The kubelet's process and the files that it reads its configuration from, in the order in which it merges them."""

from __future__ import annotations

import os
from typing import Any

from kprov.remote.node import commands, read

# What kubeadm's drop-in and kprov's say, for a kubelet that does not run.
CONFIG = "/var/lib/kubelet/config.yaml"
DIRECTORY = "/etc/kubernetes/kubelet.conf.d"
SYSTEMCTL_TIMEOUT = 5.0  # seconds


def look() -> dict[str, Any]:
    """args: of the running kubelet, [] if none runs; started: seconds since the epoch, None if none runs.

    files: [path, text, time of the last change]; the first one is --config, the others those of --config-dir.
    """
    pid = _pid()
    args = read.text_or(f"/proc/{pid}/cmdline").split("\0")[1:-1] if pid else []
    config, directory = flag(args, "config"), flag(args, "config-dir")
    if not args:
        config, directory = CONFIG, DIRECTORY
    paths = [config, *_drop_ins(directory)] if config else _drop_ins(directory)
    return {"args": args, "started": _started(pid) if pid else None, "files": [_file(path) for path in paths]}


def flag(args: list[str], name: str) -> str | None:
    """Value of --name=VALUE or --name VALUE, the last one; None if it is not there."""
    found = None
    for position, word in enumerate(args):
        if word.startswith(f"--{name}="):
            found = word.partition("=")[2]
        elif word == f"--{name}" and position + 1 < len(args):
            found = args[position + 1]
    return found


def _pid() -> int:
    systemctl = commands.find("systemctl")
    shown = (
        commands.output([systemctl, "show", "-p", "MainPID", "kubelet.service"], SYSTEMCTL_TIMEOUT) if systemctl else ""
    )
    number = (shown or "").strip().partition("=")[2]
    return int(number) if number.isdigit() else 0


def _started(pid: int) -> float | None:
    """proc(5): field 22 of stat counts clock ticks since boot; the name before it may hold spaces and brackets."""
    fields = read.text_or(f"/proc/{pid}/stat").rpartition(")")[2].split()
    boot = [line.split()[1] for line in read.text_or("/proc/stat").splitlines() if line.startswith("btime ")]
    if len(fields) < 20 or not boot:
        return None
    return int(boot[0]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _drop_ins(directory: str | None) -> list[str]:
    """Files *.conf, those of subdirectories too, sorted as the kubelet walks (filepath.WalkDir)."""
    found: list[str] = []
    for name in read.names(directory) if directory else ():
        path = f"{directory}/{name}"
        if os.path.isdir(read.real(path)) and not os.path.islink(read.real(path)):  # noqa: PTH112, PTH114
            found += _drop_ins(path)
        elif name.endswith(".conf"):
            found.append(path)
    return found


def _file(path: str) -> list[Any]:
    status = os.stat(read.real(path))  # noqa: PTH116
    return [path, read.text(path), status.st_mtime]
