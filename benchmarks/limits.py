"""The same greedy pods on a node with kprov's settings and on one with the kubelet's own defaults, side by side.

Everything is bounded: each node is a machine of 3 GiB (a cgroup of the node's container), and no kernel setting of this
machine is changed: the limit of 128 inotify instances is that of a user namespace.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML

from benchmarks.table import print_table
from kprov.lab import lab as labs
from kprov.lab.size import parse
from kprov.ui.progress import PlainProgress

NAME = "benchlimits"
KPROV, BARE = f"{NAME}-w1", f"{NAME}-w2"
# What a kubelet does without a word in its configuration (v1.36.3, pkg/kubelet/apis/config/v1beta1/defaults.go), except
# for logs: its default is kprov's, so this is what Docker's json-file does by default, no rotation.
DEFAULTS: dict[str, Any] = {
    "kubelet_reservation_profile": "static",
    "kubelet_kube_reserved": {"cpu": "0", "memory": "0", "ephemeral-storage": "0", "pid": "0"},
    "kubelet_system_reserved": {"cpu": "0", "memory": "0", "ephemeral-storage": "0", "pid": "0"},
    "kubelet_config": {"containerLogMaxSize": "-1"},
}
WATCHERS = """
import ctypes
libc = ctypes.CDLL(None)
print(sum(libc.inotify_init() >= 0 for _ in range(200)))
"""
LOG = f"for s in $(seq 40); do yes {'x' * 1023} | head -n 5000; sleep 1; done"
LOG_SECONDS = 300


def main() -> None:
    sizes = parse(["3Gi"], [])
    try:
        lab = labs.up(labs.LabSpec(name=NAME, control_planes=1, workers=2, sizes=sizes), PlainProgress())
        _settings(lab)
        _up(lab)
        rows = [_inotify(), *_logs(), *_allocatable()]
        print_table("The same pods", ["", "with kprov", "kubelet's defaults"], rows)
    finally:
        labs.down(NAME, PlainProgress())


def _settings(lab: labs.Lab) -> None:
    assert lab.inventory
    directory = lab.inventory.parent / "host_vars"
    directory.mkdir(exist_ok=True)
    group = YAML(typ="safe").load((lab.inventory.parent / "group_vars/all.yml").read_text())
    both = {"kubelet_config": dict(group.get("kubelet_config", {}))}
    bare = {**DEFAULTS, "kubelet_config": {**both["kubelet_config"], **DEFAULTS["kubelet_config"]}}
    with (directory / f"{BARE}.yml").open("w") as file:
        YAML(typ="safe", pure=True).dump(bare, file)


def _up(lab: labs.Lab) -> None:
    argv = [sys.executable, "-m", "kprov", "up", str(lab.inventory), "--yes", "--no-verify"]
    run = subprocess.run(argv, check=False, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{run.stderr}")


def _inotify() -> list[object]:
    """As root on the node, and in a user namespace that has what a kernel gives without os's setting."""
    kprov = _on(KPROV, f"python3 -c '{WATCHERS}'")
    limit = "echo 128 > /proc/sys/user/max_inotify_instances"
    kernel = _on(BARE, f"unshare --user --map-root-user sh -c '{limit} && exec python3' << 'EOF'\n{WATCHERS}\nEOF")
    return ["inotify instances that a process gets, of 200", kprov.strip(), kernel.strip()]


def _logs() -> list[list[object]]:
    """A container that writes 205 MB in 40 s."""
    for node in (KPROV, BARE):
        _pod(node, "talker", ["sh", "-c", LOG])
    _wait(lambda: all(_phase(node, "talker") == "Succeeded" for node in (KPROV, BARE)), LOG_SECONDS)
    sizes: list[int] = []

    def settled() -> bool:
        before, sizes[:] = list(sizes), [_kib(node, "/var/log/pods/default_talker-*") for node in (KPROV, BARE)]
        return sizes == before

    _wait(settled, LOG_SECONDS, every=11)  # the kubelet rotates every 10 s
    return [["log of a container that wrote 205 MB, MiB on disk", *(size // 1024 for size in sizes)]]


def _kib(node: str, path: str) -> int:
    return int(_on(node, f"du -sk {path}").split()[0])


def _allocatable() -> list[list[object]]:
    nodes = [json.loads(_kubectl("get", "node", node, "-o", "json"))["status"]["allocatable"] for node in (KPROV, BARE)]
    return [[f"{resource} for pods", *(node[resource] for node in nodes)] for resource in ("memory", "cpu")]


def _pod(node: str, name: str, command: list[str]) -> None:
    version = json.loads(_kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"].removeprefix("v")
    container = {
        "name": "main",
        "image": f"registry.k8s.io/kube-proxy:v{version}",  # the one in the bundle that has a shell
        "imagePullPolicy": "Never",
        "command": command,
    }
    spec = {
        "nodeName": node,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-{node}", "namespace": "default"},
        "spec": spec,
    }
    _kubectl("create", "-f", "-", stdin=json.dumps(pod))


def _phase(node: str, name: str) -> str:
    return _kubectl("get", "pod", f"{name}-{node}", "-o", "jsonpath={.status.phase}").strip()


def _on(node: str, command: str) -> str:
    argv = labs.ssh_command(NAME, node, ["sudo", "sh", "-c", _quoted(command)])
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _kubectl(*arguments: str, stdin: str = "") -> str:
    words = ["sudo", "/usr/local/bin/kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *map(_quoted, arguments)]
    argv = labs.ssh_command(NAME, f"{NAME}-cp1", words)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _wait(true: Callable[[], bool], seconds: float, every: float = 1) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:.0f} s")
        time.sleep(every)  # poll interval
