"""Pods that take too much of a node: the node stays Ready, and it is the greedy pod that stops or goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

import pytest
import yaml

from tests.e2e.cluster import LabCluster, wait_until
from tests.e2e.conftest import MakeLab
from tests.e2e.greedy import forks

MI = 1024 * 1024
PIDS = 300
TRIES = 400  # of forks
GRACE = 10  # seconds that a pod gets at most to end when a soft threshold evicts it
TRANSITION = 20  # seconds that a pressure is reported for after its end
NODEFS_MI = 2600  # of the worker, a tmpfs: nodefs of its own, so that a full one hurts nobody else
# kube-proxy's image is the one in the bundle that has a shell, and it is on every node; python3 is the node's.
IMAGE = "registry.k8s.io/kube-proxy:v{}"
WATCHERS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
made = [libc.inotify_init() for _ in range(200)]
print(sum(descriptor >= 0 for descriptor in made), os.strerror(ctypes.get_errno()))
"""
# The kernel's own count, of the slice of a pod and of its containers; cgroup v1 has a tree per controller, v2 one.
PIDS_OF_POD = """
cd /sys/fs/cgroup/pids 2>/dev/null || cd /sys/fs/cgroup
cd "$(find kubepods.slice -type d -name '*pod{uid}.slice')"
cat pids.current pids.max; cat pids.events */pids.events
"""


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
        # imagefs: the lab's own, without which the default of 15 % would count on a machine whose disk is nearly full.
        "kubelet_eviction_hard": {"nodefs.available": "600Mi", "imagefs.available": "1Gi"},
        "kubelet_eviction_soft": {"nodefs.available": "1500Mi"},
        "kubelet_eviction_soft_grace_period": {"nodefs.available": "20s"},
        "kubelet_volume_stats_agg_period": "10s",  # else a filler is not known as one when it is time to choose
        "kubelet_eviction_max_pod_grace_period": GRACE,
        "kubelet_eviction_pressure_transition_period": f"{TRANSITION}s",
    }
    file.write_text(yaml.safe_dump(small))
    made.up()
    return made


class Run(Protocol):
    """run(name, shell command): a pod on the worker; grace: seconds that it may take to end."""

    def __call__(self, name: str, command: str, grace: int = 0) -> None: ...


@pytest.fixture
def run(lab: LabCluster) -> Iterator[Run]:
    """Makes pods that are gone at the end."""
    version = lab.kubectl("version", "-o", "json")
    image = IMAGE.format(json.loads(version)["serverVersion"]["gitVersion"].removeprefix("v"))
    names: list[str] = []

    def make(name: str, command: str, grace: int = 0) -> None:
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
                "terminationGracePeriodSeconds": grace,
                "automountServiceAccountToken": False,
                "containers": [container],
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}}],
            },
        }
        text = json.dumps(pod).replace("'", "'\\''")
        lab.ssh("cp1", f"printf %s '{text}' | kubectl --kubeconfig /etc/kubernetes/admin.conf create -f -")
        names.append(name)

    yield make
    lab.kubectl("delete", "pod", *names, "--wait=true", "--ignore-not-found", "--grace-period=1")


def pod(lab: LabCluster, name: str) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(lab.kubectl("get", "pod", name, "-o", "json"))["status"]
    return status


def conditions(lab: LabCluster) -> dict[str, str]:
    found = json.loads(lab.kubectl("get", "node", lab.node("w1"), "-o", "json"))["status"]["conditions"]
    return {condition["type"]: condition["status"] for condition in found}


def test_pod_opens_200_inotify_instances_and_with_the_kernels_default_of_128_it_could_not(
    lab: LabCluster, run: Run
) -> None:
    run("watcher", f"exec chroot /host python3 -c '{WATCHERS}'")
    wait_until("the pod has ended", lambda: pod(lab, "watcher")["phase"] in {"Succeeded", "Failed"})
    assert lab.kubectl("logs", "watcher") == "200 Success\n"
    assert conditions(lab)["Ready"] == "True"
    # Before: a user namespace with the kernel's own limit.
    limit = "echo 128 > /proc/sys/user/max_inotify_instances"
    before = lab.ssh("w1", f"unshare --user --map-root-user sh -c '{limit} && exec python3' << 'EOF'\n{WATCHERS}\nEOF")
    assert before == "128 Too many open files\n"


def test_fork_bomb_stops_at_its_own_limit(lab: LabCluster, run: Run) -> None:
    run("forks", f"exec chroot /host python3 -c '{forks(TRIES)}'")
    wait_until("it runs", lambda: pod(lab, "forks")["phase"] == "Running")
    wait_until("it cannot fork any more", lambda: lab.kubectl("logs", "forks") != "")
    uid = lab.kubectl("get", "pod", "forks", "-o", "jsonpath={.metadata.uid}").replace("-", "_")
    current, most, *events = lab.ssh("w1", PIDS_OF_POD.format(uid=uid)).split("\n")
    assert (current, most) == (str(PIDS), str(PIDS))
    assert any(int(count) > 0 for name, count in (line.split() for line in events if line) if name == "max")
    assert int(lab.kubectl("logs", "forks")) < PIDS
    assert conditions(lab)["PIDPressure"] == "False"
    assert conditions(lab)["Ready"] == "True"


def test_log_of_a_talkative_pod_stays_within_its_files(lab: LabCluster, run: Run) -> None:
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


def test_soft_threshold_ends_a_pod_that_wants_60_seconds_after_those_that_are_allowed(
    lab: LabCluster, run: Run
) -> None:
    """And the pressure is reported for the transition period after its end, so that nothing comes back too soon."""
    threshold = 1500 * MI
    run("stubborn", f"trap '' TERM; head -c {1400 * MI} /dev/zero > /data/x; while :; do sleep 1; done", grace=60)
    wait_until("the threshold is crossed", lambda: _free(lab) < threshold)
    crossed = time.monotonic()
    wait_until("its container has ended", lambda: _ended(pod(lab, "stubborn")) is not None, 120)
    ended = _ended(pod(lab, "stubborn"))
    assert ended is not None
    assert ended["exitCode"] == 137  # it did not listen to TERM
    named = f"involvedObject.name=stubborn,reason=Evicted,involvedObject.uid={_uid(lab, 'stubborn')}"
    events = json.loads(lab.kubectl("get", "events", "--field-selector", named, "-o", "json"))["items"]
    evicted = datetime.fromisoformat(events[0]["firstTimestamp"])
    lasted = (datetime.fromisoformat(ended["finishedAt"]) - evicted).total_seconds()
    assert GRACE - 1 <= lasted <= GRACE + 10, lasted  # times of events and containers are whole seconds
    assert time.monotonic() - crossed < 60, "20 s before the soft threshold acts, a look every 10 s, 10 s to end"

    wait_until("its space has come back", lambda: _free(lab) > threshold)
    free = time.monotonic()
    assert conditions(lab)["DiskPressure"] == "True"
    wait_until("the pressure is over", lambda: conditions(lab)["DiskPressure"] == "False", 90)
    assert TRANSITION - 10 <= time.monotonic() - free <= TRANSITION + 30


@pytest.mark.parametrize("mebibytes", [1400, 2200], ids=["past-the-soft-threshold", "past-the-hard-one"])
def test_pod_that_fills_the_disk_is_evicted_and_its_neighbour_is_not(lab: LabCluster, run: Run, mebibytes: int) -> None:
    run("neighbour", "echo small > /data/x; sleep 900")
    run("filler", f"head -c {mebibytes * MI} /dev/zero > /data/x; sleep 900")
    wait_until("the filler is evicted", lambda: pod(lab, "filler").get("reason") == "Evicted", 180)
    assert "ephemeral-storage" in pod(lab, "filler")["message"]
    assert conditions(lab)["Ready"] == "True"
    wait_until("the pressure is over", lambda: conditions(lab)["DiskPressure"] == "False", 180)
    assert pod(lab, "neighbour")["phase"] == "Running"
    images = lab.ssh("w1", "ctr -n k8s.io images ls -q")
    assert "/kube-proxy:" in images and "/pause:" in images


def _free(lab: LabCluster) -> int:
    """Bytes left of the worker's nodefs."""
    return int(lab.ssh("w1", "df -B1 --output=avail /var/lib/kubelet | tail -n 1"))


def _ended(status: dict[str, Any]) -> dict[str, Any] | None:
    """How a pod's container ended; None while it runs."""
    states = [container["state"] for container in status.get("containerStatuses", ())]
    found: dict[str, Any] | None = states[0].get("terminated") if states else None
    return found


def _uid(lab: LabCluster, name: str) -> str:
    return lab.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")
