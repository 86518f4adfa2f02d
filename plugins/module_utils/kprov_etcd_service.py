"""An etcd that is no static pod: a service that its environment tells everything, as Kubespray's, or its flags."""

from __future__ import annotations

import os
import re

from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod, pods


def etcd_service() -> StaticPod | None:
    """What runs, as if it had a manifest with all its flags; None where there is none, or where it is a static pod."""
    if "etcd" in pods():
        return None
    own = _network("self")
    for pid in sorted(filter(str.isdigit, os.listdir(real("/proc"))), key=int):
        words = _read(f"/proc/{pid}/cmdline").split("\0")
        # Clusters inside of containers are not the node's.
        if os.path.basename(words[0]) == "etcd" and _network(pid) == own:
            environment = re.findall(r"(?:^|\0)ETCD_([A-Z_]+)=([^\0]*)", _read(f"/proc/{pid}/environ"))
            told = [f"--{name.lower().replace('_', '-')}={value}" for name, value in environment]
            # A flag wins over the environment (etcd.io/docs/v3.6/op-guide/configuration), the last over those before
            # it (Go's package flag); StaticPod takes the first.
            return StaticPod("etcd", "\n".join([*reversed(_flags(words[1:])), *told]))
    return None


def _flags(words: list[str]) -> list[str]:
    """--flag VALUE as --flag=VALUE."""
    found: list[str] = []
    for word in words:
        if found and not word.startswith("-") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _network(pid: str) -> str | None:
    try:
        return os.readlink(real(f"/proc/{pid}/ns/net"))
    except OSError:
        return None


def _read(path: str) -> str:
    try:
        with open(real(path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
