"""The kubelet's process and the files that it reads its configuration from, in the order in which it merges them."""

from __future__ import annotations

import os
from typing import Any

from kprov.remote.node import commands, processes, read

# What kubeadm's drop-in and kprov's say, for a kubelet that does not run.
CONFIG = "/var/lib/kubelet/config.yaml"
DIRECTORY = "/etc/kubernetes/kubelet.conf.d"
SYSTEMCTL_TIMEOUT = 5.0  # seconds


def look() -> dict[str, Any]:
    """args: of the running kubelet, [] if none runs; started: seconds since the epoch, None if none runs.

    files: [path, text, time of the last change]; the first one is --config, the others those of --config-dir.
    """
    pid = _pid()
    args = processes.arguments(pid) if pid else []
    config, directory = processes.flag(args, "config"), processes.flag(args, "config-dir")
    if not args:
        config, directory = CONFIG, DIRECTORY
    paths = [config, *_drop_ins(directory)] if config else _drop_ins(directory)
    return {"args": args, "started": processes.started(pid) if pid else None, "files": [_file(path) for path in paths]}


def _pid() -> int:
    systemctl = commands.find("systemctl")
    shown = (
        commands.output([systemctl, "show", "-p", "MainPID", "kubelet.service"], SYSTEMCTL_TIMEOUT) if systemctl else ""
    )
    number = (shown or "").strip().partition("=")[2]
    return int(number) if number.isdigit() else 0


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
