"""Pods that take too much of a node: the node stays Ready, and it is the greedy pod that stops or goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

MI = 1024 * 1024
PIDS = 300
NODEFS_MI = 2600  # of the worker, a tmpfs: nodefs of its own, so that a full one hurts nobody else
# kube-proxy's image is the one in the bundle that has a shell, and it is on every node; python3 is the node's.
IMAGE = "registry.k8s.io/kube-proxy:v{}"
WATCHERS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
made = [libc.inotify_init() for _ in range(200)]
print(sum(descriptor >= 0 for descriptor in made), os.strerror(ctypes.get_errno()))
"""
FORKS = "i=0; while [ $i -lt 400 ]; do sleep 300 & i=$((i+1)); done; wait"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    """One control plane and a worker with small limits, so that little is enough to cross them."""
    made = make_lab("limits", workers=1)
    made.ssh("w1", f"mount -t tmpfs -o size={NODEFS_MI}m tmpfs /var/lib/kubelet")
    file = made.inventory.parent / "host_vars" / f"{made.node('w1')}.yml"
    file.parent.mkdir()
    small = {
        "kubelet_pod_pids_limit": PIDS,
        "kubelet_kube_reserved": {"ephemeral-storage": "100Mi"},  # gke's half of a small disk is too much of this one
        "kubelet_eviction_hard": {"nodefs.available": "600Mi"},
        "kubelet_eviction_soft": {"nodefs.available": "1500Mi"},
        "kubelet_eviction_soft_grace_period": {"nodefs.available": "20s"},
        "kubelet_volume_stats_agg_period": "10s",  # else a filler is not known as one when it is time to choose
        "kubelet_eviction_pressure_transition_period": "20s",
    }
    file.write_text(yaml.safe_dump(small))
    made.up()
    return made


@pytest.fixture
def run(lab: LabCluster) -> Iterator[Callable[[str, str], None]]:
    """run(name, shell command): a pod on the worker; gone at the end."""
    version = lab.kubectl("version", "-o", "json")
    image = IMAGE.format(json.loads(version)["serverVersion"]["gitVersion"].removeprefix("v"))
    names: list[str] = []

    def make(name: str, command: str) -> None:
        container = {
            "name": "main",
            "image": image,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", command],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "host", "mountPath": "/host"}],
        }
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": lab.node("w1"),
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [container],
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}}],
            },
        }
        text = json.dumps(pod).replace("'", "'\\''")
        lab.ssh("cp1", f"printf %s '{text}' | kubectl --kubeconfig /etc/kubernetes/admin.conf create -f -")
        names.append(name)

    yield make
    lab.kubectl("delete", "pod", *names, "--wait=true", "--ignore-not-found")


def pod(lab: LabCluster, name: str) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(lab.kubectl("get", "pod", name, "-o", "json"))["status"]
    return status


def conditions(lab: LabCluster) -> dict[str, str]:
    found = json.loads(lab.kubectl("get", "node", lab.node("w1"), "-o", "json"))["status"]["conditions"]
    return {condition["type"]: condition["status"] for condition in found}


def wait_until(what: str, true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(1)  # poll interval


def test_pod_opens_200_inotify_instances_and_with_the_kernels_default_of_128_it_could_not(
    lab: LabCluster, run: Callable[[str, str], None]
) -> None:
    run("watcher", f"exec chroot /host python3 -c '{WATCHERS}'")
    wait_until("the pod has ended", lambda: pod(lab, "watcher")["phase"] in {"Succeeded", "Failed"})
    assert lab.kubectl("logs", "watcher") == "200 Success\n"
    assert conditions(lab)["Ready"] == "True"
    # Before: a user namespace with the kernel's own limit.
    limit = "echo 128 > /proc/sys/user/max_inotify_instances"
    before = lab.ssh("w1", f"unshare --user --map-root-user sh -c '{limit} && exec python3' << 'EOF'\n{WATCHERS}\nEOF")
    assert before == "128 Too many open files\n"


def test_fork_bomb_stops_at_its_own_limit(lab: LabCluster, run: Callable[[str, str], None]) -> None:
    run("forks", FORKS)
    refused = "fork"
    wait_until("the shell cannot fork", lambda: refused in lab.kubectl("logs", "forks").lower())
    assert conditions(lab)["PIDPressure"] == "False"
    assert conditions(lab)["Ready"] == "True"


def test_log_of_a_talkative_pod_stays_within_its_files(lab: LabCluster, run: Callable[[str, str], None]) -> None:
    """200 MB in a minute; a rotation comes every 10 s, so a file may be one interval longer than its limit."""
    line = "x" * 1023
    run("talker", f"for s in $(seq 50); do yes {line} | head -n 4000; sleep 1; done")
    wait_until("it has said all", lambda: pod(lab, "talker")["phase"] == "Succeeded", 240)
    uid = lab.kubectl("get", "pod", "talker", "-o", "jsonpath={.metadata.uid}")
    directory = f"/var/log/pods/default_talker_{uid}"
    wait_until("the last rotation is done", lambda: _log_files(lab, directory)[-1] < 60 * MI, 60)
    sizes = _log_files(lab, directory)
    assert len(sizes) <= 5
    assert sum(sizes) < 120 * MI
    assert conditions(lab)["Ready"] == "True"


def _log_files(lab: LabCluster, directory: str) -> list[int]:
    """Sizes of a pod's log files, bytes, ascending."""
    return sorted(int(size) for size in lab.ssh("w1", f"find {directory} -type f -printf '%s\\n'").split())


@pytest.mark.parametrize("mebibytes", [1400, 2200], ids=["past-the-soft-threshold", "past-the-hard-one"])
def test_pod_that_fills_the_disk_is_evicted_and_its_neighbour_is_not(
    lab: LabCluster, run: Callable[[str, str], None], mebibytes: int
) -> None:
    run("neighbour", "echo small > /data/x; sleep 900")
    run("filler", f"head -c {mebibytes * MI} /dev/zero > /data/x; sleep 900")
    wait_until("the filler is evicted", lambda: pod(lab, "filler").get("reason") == "Evicted", 180)
    assert "ephemeral-storage" in pod(lab, "filler")["message"]
    assert conditions(lab)["Ready"] == "True"
    wait_until("the pressure is over", lambda: conditions(lab)["DiskPressure"] == "False", 180)
    assert pod(lab, "neighbour")["phase"] == "Running"
    images = lab.ssh("w1", "ctr -n k8s.io images ls -q")
    assert "/kube-proxy:" in images and "/pause:" in images
