"""The programs that use certificates, and the flags that say which. From what runs, else from static pods' files."""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.remote.node import kubelet, processes, read

STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
MANIFESTS = "/etc/kubernetes/manifests"


def look() -> dict[str, Any]:
    """Component to args, pid, started (seconds since the epoch), manifest, for those that run or should; and kubelet.

    pid and started are None for one that does not run, manifest is None for one that is no static pod. The kubelet has
    "files" in place of manifest and pid: what its configuration is made of, as [path, text].
    """
    found: dict[str, Any] = {}
    for name in STATIC_PODS:
        path = f"{MANIFESTS}/{name}.yaml"
        wanted = _manifest_args(read.text_or(path))
        pid = _pid(name, wanted)
        if pid is not None or read.exists(path):
            found[name] = {
                "args": _args(name, pid) if pid is not None else wanted,
                "pid": pid,
                "started": processes.started(pid) if pid is not None else None,
                "manifest": path if read.exists(path) else None,
            }
    looked = kubelet.look() if read.exists(kubelet.CONFIG) or _running("kubelet") else None
    if looked:
        files = [[path, text] for path, text, _ in looked["files"]]
        found["kubelet"] = {"args": looked["args"], "started": looked["started"], "files": files}
    return found


def _pid(name: str, wanted: list[str]) -> int | None:
    """The node's own one: where pods run a control plane of their own, that which has most of the manifest's flags."""
    return max(_running(name), key=lambda pid: len({*processes.arguments(pid)} & {*wanted}), default=None)


def _running(name: str) -> list[int]:
    """Processes on the node's own network: those of clusters inside of pods or containers are not the node's."""
    return [pid for pid in processes.running(name) if _network(str(pid)) in (None, _network("self"))]


def _network(pid: str) -> str | None:
    try:
        return os.readlink(read.real(f"/proc/{pid}/ns/net"))  # noqa: PTH115
    except OSError:
        return None


def _args(name: str, pid: int) -> list[str]:
    """Flags, and for etcd what its environment says in their place: ETCD_CERT_FILE=x is --cert-file=x."""
    args = _with_values(processes.arguments(pid))
    if name != "etcd":
        return args
    environment = re.findall(r"(?:^|\0)ETCD_([A-Z_]+)=([^\0]*)", read.text_or(f"/proc/{pid}/environ"))
    return [*(f"--{key.lower().replace('_', '-')}={value}" for key, value in environment), *args]


def _with_values(words: list[str]) -> list[str]:
    """--flag VALUE as --flag=VALUE."""
    found: list[str] = []
    for word in words:
        if found and not word.startswith("-") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _manifest_args(manifest: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(r"^\s*-\s+(--\S+=.*?)\s*$", manifest, re.MULTILINE)]
