"""What nodes and a control plane answer the linter when everything is as the inventory wants it."""

from __future__ import annotations

import ast
import json
from typing import Any

from kprov.remote.dialogue import Completed
from tests.unit.lint.nodes import MACHINE, good

BASE, OURS, FOREIGN = "/var/lib/kubelet/config.yaml", "/x/50-kprov.conf", "/x/90-foreign.conf"


def of_node(foreign: str = "") -> dict[str, Any]:
    """What a node says of itself on which everything is as the inventory wants it, and what a foreign file adds."""
    node = good()
    assert node.spec.kubelet
    files = [[BASE, "maxPods: 110", 900.0], [OURS, json.dumps(dict(node.spec.kubelet.fields)), 900.0]]
    return {
        "uid": 0,
        "errors": [],
        "kubelet": {"args": [], "started": 1000.0, "files": files + ([[FOREIGN, foreign, 900.0]] if foreign else [])},
        "kernel": {"live": dict(node.spec.kernel), "boot": dict(node.spec.kernel)},
        "runtime": {
            "name": "containerd",
            "file": "version = 3",
            "running": {"cgroup_driver": "systemd", "log_driver": None},
            "sockets": {"/run/containerd/containerd.sock": None},
        },
        "capacity": vars(MACHINE),
        "machine": {
            "swap": [],
            "nameservers": {"/etc/resolv.conf": ["192.0.2.53"]},
            "cgroups": [],
            "shutdown_delay": {"live": 60_000_000, "file": "60"},
        },
    }


def of_api(names: list[str], **other: Any) -> dict[str, Any]:
    """What a control plane says of all kubelets; other: fields with which they run instead."""
    config = {**dict(good().running.kubelet.fields), **other}  # type: ignore[union-attr]
    one = {"config": config, "error": None, "pod_cidr": "10.0.0.0/24"}
    return {"uid": 0, "errors": [], "configz": dict.fromkeys(names, one)}


def question_in(program: str) -> dict[str, Any]:
    """The question at the end of a program for a node."""
    question: dict[str, Any] = json.loads(ast.literal_eval(program.rsplit("}, ", 1)[1].rpartition(", ")[0]))
    return question


def answered(document: dict[str, Any]) -> Completed:
    """As a node prints it."""
    return Completed(f"KPROV-TIME 1.0\nKPROV-BEGIN {json.dumps(document)} KPROV-END\n", "", 0)
