"""The container runtime: what its files say and what it answers. Only what the rules look at leaves the node."""

from __future__ import annotations

import json
import re
from typing import Any

from kprov.remote.node import commands, docker, read
from kprov.remote.node.runtime import answers

FILES = {"containerd": "/etc/containerd/config.toml", "docker": "/etc/docker/daemon.json"}
CRICTL_TIMEOUT = 5.0  # seconds
DOCKER_WORDS = ("docker",)  # in the socket's name: cri-dockerd.sock, dockershim.sock


def look(bin_dir: str, kubelet_files: list[str]) -> dict[str, Any]:
    """name: docker or containerd; file: text of its configuration, None without one; running: what it says, or None.
    sockets: to why nobody answers there, None if somebody does.

    kubelet_files: texts in which the socket is named; the last one wins.
    """
    named = [found for text in kubelet_files for found in re.findall(r"^containerRuntimeEndpoint:\s*(\S+)", text, re.M)]
    socket = named[-1].strip("\"'") if named else ""
    on_docker = any(word in socket for word in DOCKER_WORDS)
    name = "docker" if on_docker else "containerd"
    sockets = answers(name)
    running = None
    if not any(sockets.values()):  # nobody waits twice for a program that hangs
        running = _docker() if on_docker else _containerd(bin_dir, socket)
    return {"name": name, "file": _text(FILES[name]), "running": running, "sockets": sockets}


def _docker() -> dict[str, Any] | None:
    info = docker.get("/info")
    if not isinstance(info, dict):
        return None
    return {"cgroup_driver": info.get("CgroupDriver"), "log_driver": info.get("LoggingDriver")}


def _containerd(bin_dir: str, socket: str) -> dict[str, Any] | None:
    crictl = commands.find("crictl", bin_dir)
    if crictl is None:
        return None
    said = commands.output([crictl, *(["--runtime-endpoint", socket] if socket else []), "info"], CRICTL_TIMEOUT)
    try:
        config = json.loads(said or "")["config"]["containerd"]
        runtime = config["runtimes"][config.get("defaultRuntimeName") or "runc"]
        systemd = (runtime.get("options") or {}).get("SystemdCgroup", False)
    except (ValueError, KeyError, TypeError):
        return None
    return {"cgroup_driver": "systemd" if systemd else "cgroupfs", "log_driver": None}


def _text(path: str) -> str | None:
    return read.text_or(path) or None
