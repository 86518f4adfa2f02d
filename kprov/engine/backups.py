"""Backups that runs fetched from nodes: `clusters/CLUSTER/backups/HOST/TIME/` of the state, for the user alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from kprov.engine.paths import cluster_home


def backup_home(cluster: str) -> Path:
    """Made, if need be, before a run: what Ansible writes below a private directory nobody else can read."""
    path = cluster_home(cluster) / "backups"
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def keep(home: Path, count: int) -> Mapping[str, int]:
    """Make files private, forget all but the newest `count` of each host. Host to bytes of its newest backup."""
    sizes = {}
    for host in sorted(path for path in home.iterdir() if path.is_dir()):
        backups = sorted(path for path in host.iterdir() if path.is_dir())
        for old in backups[: -count or None]:
            shutil.rmtree(old)
        for path in [host, *host.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
        if backups:
            sizes[host.name] = sum(path.stat().st_size for path in backups[-1].iterdir())
    return sizes
