"""Programs on the node: which are there, and the few that the probe itself runs."""

from __future__ import annotations

import os
import subprocess

from kprov.remote.node import read

FIREWALLS = ("firewall-cmd", "ufw")  # of plugins/module_utils/kprov_firewalls.py; a test compares them
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(name: str, first: str = "") -> str | None:
    """Path of a program: in the directory `first`, then in the usual places."""
    for directory in [first, *PATH.split(":")]:
        path = f"{directory}/{name}"
        if directory and os.access(read.real(path), os.X_OK):
            return path
    return None


def missing(names: list[str]) -> list[str]:
    """Those of the programs that are not installed."""
    return [name for name in names if find(name) is None]


def firewalls() -> list[str]:
    """Programs of the firewalls that kprov knows and that are installed; whether one runs is another question."""
    return [name for name in FIREWALLS if find(name)]


def output(arguments: list[str], timeout: float) -> str | None:
    """Standard output of a program; None if it fails or takes more than `timeout` seconds."""
    environment = {"PATH": PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [read.real(arguments[0]), *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
