"""The programs that use certificates, and the flags that say which. From what runs, else from static pods' files."""

from __future__ import annotations

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
    looked = kubelet.look() if read.exists(kubelet.CONFIG) or processes.running("kubelet") else None
    if looked:
        files = [[path, text] for path, text, _ in looked["files"]]
        found["kubelet"] = {"args": looked["args"], "started": looked["started"], "files": files}
    return found


def _pid(name: str, wanted: list[str]) -> int | None:
    """The node's own one: where pods run a control plane of their own, that which has most of the manifest's flags."""
    return max(processes.running(name), key=lambda pid: len({*processes.arguments(pid)} & {*wanted}), default=None)


def _args(name: str, pid: int) -> list[str]:
    """Flags, and for etcd what its environment says in their place: ETCD_CERT_FILE=x is --cert-file=x."""
    args = processes.arguments(pid)
    if name != "etcd":
        return args
    environment = re.findall(r"(?:^|\0)ETCD_([A-Z_]+)=([^\0]*)", read.text_or(f"/proc/{pid}/environ"))
    return [*(f"--{key.lower().replace('_', '-')}={value}" for key, value in environment), *args]


def _manifest_args(manifest: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(r"^\s*-\s+(--\S+=.*?)\s*$", manifest, re.MULTILINE)]
