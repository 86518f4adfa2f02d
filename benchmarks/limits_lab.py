"""The lab of benchmarks.limits: one worker with kprov's settings, one with the kubelet's own, and pods on both."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from kprov.lab import lab as labs
from kprov.lab.size import parse
from kprov.ui.progress import PlainProgress

NAME = "benchlimits"
KPROV, BARE = f"{NAME}-w1", f"{NAME}-w2"
BOTH = (KPROV, BARE)
MEMORY = "3Gi"
# nodefs of each worker, a file system of its own: a full one hurts nobody else.
DISK_MI = 1600
# What the lab asks for because its nodes share one machine's disk and processes; a worker's own settings replace it.
SHARED = {"nodefs.inodesFree": "1%", "imagefs.available": "1Gi", "imagefs.inodesFree": "1%", "pid.available": "1%"}
# For both: five minutes, the default, are long to wait for.
TRANSITION = {"kubelet_eviction_pressure_transition_period": "20s"}
WITH_KPROV: dict[str, Any] = {
    **TRANSITION,
    "kubelet_eviction_hard": {**SHARED, "nodefs.available": "300Mi"},
    "kubelet_eviction_soft": {"nodefs.available": "700Mi"},
    "kubelet_eviction_soft_grace_period": {"nodefs.available": "20s"},
    "kubelet_volume_stats_agg_period": "10s",
    "kubelet_kube_reserved": {"ephemeral-storage": "100Mi"},  # gke's half of a small disk is too much of this one
}
# What a kubelet does without a word in its configuration (v1.36.3, pkg/kubelet/apis/config/v1beta1/defaults.go), except
# for logs: its default is kprov's, so this is what Docker's json-file does by default, no rotation.
DEFAULTS: dict[str, Any] = {
    **TRANSITION,
    "kubelet_reservation_profile": "static",
    "kubelet_kube_reserved": {"cpu": "0", "memory": "0", "ephemeral-storage": "0", "pid": "0"},
    "kubelet_system_reserved": {"cpu": "0", "memory": "0", "ephemeral-storage": "0", "pid": "0"},
    "kubelet_pod_pids_limit": -1,
    "kubelet_eviction_hard": {**SHARED, "nodefs.available": "10%"},
    "kubelet_eviction_minimum_reclaim": {},
    "kubelet_config": {"containerLogMaxSize": "-1"},
}


def up() -> None:
    """The lab, and the cluster in it."""
    spec = labs.LabSpec(name=NAME, control_planes=1, workers=2, sizes=parse([MEMORY], []))
    inventory = labs.up(spec, PlainProgress()).inventory
    assert inventory
    group = YAML(typ="safe").load((inventory.parent / "group_vars/all.yml").read_text())
    directory = inventory.parent / "host_vars"
    directory.mkdir(exist_ok=True)
    for node, settings in ((KPROV, WITH_KPROV), (BARE, DEFAULTS)):
        on(node, f"mount -t tmpfs -o size={DISK_MI}m tmpfs /var/lib/kubelet")
        of_the_lab = dict(group.get("kubelet_config", {}))
        with (directory / f"{node}.yml").open("w") as file:
            YAML(typ="safe", pure=True).dump(
                {**settings, "kubelet_config": {**of_the_lab, **settings.get("kubelet_config", {})}}, file
            )
    argv = [sys.executable, "-m", "kprov", "up", str(inventory), "--yes", "--no-verify"]
    run = subprocess.run(argv, check=False, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{run.stderr}")


def down() -> None:
    """Nothing is left of it."""
    labs.down(NAME, PlainProgress())


def make(node: str, name: str, command: str) -> None:
    """A pod of one container on a node: a shell command in the one image of the bundle that has a shell.

    The node's own files are below /host, an emptyDir is /data.
    """
    container = {
        "name": "main",
        "image": f"registry.k8s.io/kube-proxy:{_version()}",
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", command],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "host", "mountPath": "/host"}],
    }
    spec = {
        "nodeName": node,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-{node}", "namespace": "default"}}
    kubectl("create", "-f", "-", stdin=json.dumps({**pod, "spec": spec}))


def remove(*names: str) -> None:
    """Pods of these names on both nodes go."""
    pods = [f"{name}-{node}" for name in names for node in BOTH]
    kubectl("delete", "pod", *pods, "--ignore-not-found", "--wait=true", "--grace-period=0")


def pod(node: str, name: str) -> dict[str, Any]:
    """Its object in the API."""
    found: dict[str, Any] = json.loads(kubectl("get", "pod", f"{name}-{node}", "-o", "json"))
    return found


def phase(node: str, name: str) -> str:
    """Running, Succeeded, ...; of one that was evicted "Evicted"."""
    status = pod(node, name)["status"]
    return str(status.get("reason") or status["phase"])


def condition(node: str, kind: str) -> str:
    """True, False or Unknown, of a Node's condition."""
    found = json.loads(kubectl("get", "node", node, "-o", "json"))["status"]["conditions"]
    return next(str(each["status"]) for each in found if each["type"] == kind)


def on(node: str, command: str) -> str:
    """What a shell command prints, as root on a node."""
    argv = labs.ssh_command(NAME, node, ["sudo", "sh", "-c", shlex.quote(command)])
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What kubectl prints on the control plane."""
    words = ["sudo", "/usr/local/bin/kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]
    argv = labs.ssh_command(NAME, f"{NAME}-cp1", [*words, *map(shlex.quote, arguments)])
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout


def wait(what: str, true: Callable[[], object], seconds: float, every: float = 1) -> float:
    """Until it is true; seconds that it took. SystemExit when it takes too long."""
    start = time.monotonic()
    while not true():
        if time.monotonic() - start > seconds:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)  # poll interval
    return time.monotonic() - start


@cache
def _version() -> str:
    return str(json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"])
