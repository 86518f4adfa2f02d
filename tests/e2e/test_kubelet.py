"""Kubelets run with what the inventory says, are restarted alone and one by one, and a bad value stops at the first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kprov.errors import ExitCode
from kprov.reserve.quantity import quantity
from tests.e2e.cluster import LabCluster, change, wait_until
from tests.e2e.conftest import MakeLab

CONTAINERS = "crictl ps --no-trunc -q | sort"
# A limit of all pods together, in either version of cgroups.
LIMIT = "cd /sys/fs/cgroup && cat kubepods.slice/{v2} 2>/dev/null || cat /sys/fs/cgroup/{v1}"
STARTED = "systemctl show -p InvocationID --value kubelet containerd"


@pytest.fixture(scope="module")
def pair(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("kubelet", 1, 1, "--memory", "cp1=6Gi", "--memory", "w1=3Gi", "--cpus", "w1=1")
    soft, grace = {"memory.available": "300Mi"}, {"memory.available": "90s"}
    change(lab, kubelet_eviction_soft=soft, kubelet_eviction_soft_grace_period=grace)
    lab.up()
    return lab


def live(lab: LabCluster, short: str) -> dict[str, Any]:
    found = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{lab.node(short)}/proxy/configz"))
    config: dict[str, Any] = found["kubeletconfig"]
    return config


@pytest.mark.parametrize("short", ["cp1", "w1"])
def test_live_configuration_has_what_is_declared(pair: LabCluster, short: str) -> None:
    config = live(pair, short)
    assert config["evictionHard"] == {  # the lab's own values, merged over the full set
        "memory.available": "100Mi",
        "nodefs.available": "1Gi",
        "nodefs.inodesFree": "1%",
        "imagefs.available": "1Gi",
        "imagefs.inodesFree": "1%",
        "pid.available": "1%",
    }
    assert config["evictionSoft"] == {"memory.available": "300Mi"}
    assert config["evictionSoftGracePeriod"] == {"memory.available": "90s"}
    assert config["mergeDefaultEvictionSettings"] is True
    assert (config["podPidsLimit"], config["maxParallelImagePulls"], config["seccompDefault"]) == (4096, 3, True)
    assert config["serializeImagePulls"] is False
    assert config["authentication"]["anonymous"]["enabled"] is False
    assert "readOnlyPort" not in config
    assert pair.ssh(short, "ss -Hltn 'sport = :10255'") == ""
    anonymous = "curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:10250/pods"
    assert pair.ssh(short, anonymous) == "401"
    assert config["protectKernelDefaults"] is True


def test_allocatable_is_what_reserve_says_to_the_byte(pair: LabCluster) -> None:
    nodes = json.loads(pair.kubectl("get", "node", "-o", "json"))["items"]
    by_name = {node["metadata"]["name"]: node["status"] for node in nodes}
    said = pair.kprov("reserve")
    assert said.exit_code == 0
    for host in said.data["hosts"]:
        status = by_name[host["host"]]
        for resource in ("cpu", "memory", "ephemeral_storage"):
            assert status["capacity"][resource.replace("_", "-")] == host["capacity"][resource]
            assert status["allocatable"][resource.replace("_", "-")] == host["allocatable"][resource]
    assert len(said.data["hosts"]) == len(nodes) == 2


def test_nodes_of_different_size_reserve_different_amounts_and_their_kubelets_run_with_them(pair: LabCluster) -> None:
    hosts = {host["host"]: host for host in pair.kprov("reserve").data["hosts"]}
    big, small = hosts[pair.node("cp1")], hosts[pair.node("w1")]
    assert (big["capacity"]["memory"], small["capacity"]["memory"]) == ("6Gi", "3Gi")
    assert small["capacity"]["cpu"] == "1"
    for short, host in (("cp1", big), ("w1", small)):
        config = live(pair, short)
        assert config["kubeReserved"] == {key.replace("_", "-"): value for key, value in host["kube_reserved"].items()}
        assert config["systemReserved"] == {
            key.replace("_", "-"): value for key, value in host["system_reserved"].items()
        }
    for resource in ("cpu", "memory"):
        assert big["kube_reserved"][resource] != small["kube_reserved"][resource], resource


def test_limits_are_in_the_cgroups(pair: LabCluster) -> None:
    for host in pair.kprov("reserve").data["hosts"]:
        short = host["host"].rpartition("-")[2]
        assert int(pair.ssh(short, LIMIT.format(v2="pids.max", v1="pids/kubepods.slice/pids.max"))) == int(
            host["allocatable"]["pid"]
        )
        memory = pair.ssh(short, LIMIT.format(v2="memory.max", v1="memory/kubepods.slice/memory.limit_in_bytes"))
        # All pods together; where evictions begin lies below it, in Allocatable.
        left = [quantity(host[part]["memory"]) for part in ("capacity", "kube_reserved", "system_reserved")]
        capacity, kube, system = map(int, left)
        assert int(memory) == capacity - kube - system
        assert int(memory) - int(quantity(host["allocatable"]["memory"]) or 0) == 100 * 2**20  # memory.available
    pods = "for d in $(find /sys/fs/cgroup -path '*kubepods*-pod*.slice/pids.max'); do cat $d; done | sort -u"
    assert "4096" in pair.ssh("w1", pods).split()


def test_kubelets_say_that_they_have_set_the_limit_of_all_pods(pair: LabCluster) -> None:
    """Of its first start a kubelet may say nothing: the API server refuses events of a Node that it does not have."""
    enforced = "Updated Node Allocatable limit across pods"

    def said() -> bool:
        found = pair.kubectl("get", "events", "--field-selector", "reason=NodeAllocatableEnforced", "-o", "json")
        events = json.loads(found)["items"]
        return {(event["involvedObject"]["name"], event["message"]) for event in events} == {
            (pair.node("cp1"), enforced),
            (pair.node("w1"), enforced),
        }

    for short in ("cp1", "w1"):
        pair.ssh(short, "systemctl restart kubelet")
    wait_until("both kubelets have said it", said, 60)


def test_kubelet_of_a_worker_does_not_miss_the_directory_of_static_pods(pair: LabCluster) -> None:
    """Each second, an error."""
    assert pair.ssh("w1", "journalctl -u kubelet -o cat | grep 'Unable to read config path' || true") == ""


def test_changed_value_restarts_kubelets_and_nothing_else(pair: LabCluster) -> None:
    before = {short: pair.ssh(short, CONTAINERS) for short in ("cp1", "w1")}
    started = {short: pair.ssh(short, STARTED).split() for short in ("cp1", "w1")}
    change(pair, kubelet_max_pods=120)
    plan = pair.kprov("plan")
    assert {(step["phase"], step["host"]) for step in plan.data["steps"]} == {
        ("kubelet", pair.node("cp1")),
        ("kubelet", pair.node("w1")),
    }
    pair.up("--no-verify")
    for short in ("cp1", "w1"):
        assert live(pair, short)["maxPods"] == 120
        assert pair.ssh(short, CONTAINERS) == before[short]
        kubelet, containerd = pair.ssh(short, STARTED).split()
        assert kubelet != started[short][0]
        assert containerd == started[short][1]
    assert pair.kprov("plan").exit_code == 0


def test_after_a_kubelet_that_does_not_come_back_the_next_one_is_left_alone(pair: LabCluster) -> None:
    started = pair.ssh("w1", STARTED)
    config = pair.ssh("w1", "sha256sum /etc/kubernetes/kubelet.conf.d/50-kprov.conf")
    good = change(pair).get("kubelet_config", {})
    change(pair, kubelet_config={**good, "podLogsDir": "relative"})
    failed = pair.kprov("up", "--yes", "--no-verify")
    assert failed.exit_code == ExitCode.PHASE
    assert "pod logs path" in failed.stderr
    assert pair.ssh("w1", STARTED) == started
    assert pair.ssh("w1", "sha256sum /etc/kubernetes/kubelet.conf.d/50-kprov.conf") == config
    change(pair, kubelet_config=good)
    pair.up("--no-verify")
    assert pair.kprov("plan").exit_code == 0


# The three classes of pods: resources, directory below kubepods.slice, OOM score on a machine of 3Gi (None: a lab
# without CAP_SYS_RESOURCE cannot go below the runtime's own). Burstable: 1000 - 1000 x 100Mi / 3Gi.
CLASSES: dict[str, tuple[dict[str, Any], str, int | None]] = {
    "guaranteed": ({"limits": {"cpu": "100m", "memory": "200Mi"}}, "kubepods-pod{}.slice", None),
    "burstable": (
        {"requests": {"cpu": "100m", "memory": "100Mi"}},
        "kubepods-burstable.slice/kubepods-burstable-pod{}.slice",
        968,
    ),
    "besteffort": ({}, "kubepods-besteffort.slice/kubepods-besteffort-pod{}.slice", 1000),
}
V1_LIMITS = (
    "cd /sys/fs/cgroup && cat cpu/{0}/cpu.cfs_quota_us cpu/{0}/cpu.cfs_period_us memory/{0}/memory.limit_in_bytes"
)
V2_LIMITS = "cd /sys/fs/cgroup && cat {0}/cpu.max {0}/memory.max"


def test_pods_of_each_class_are_in_their_cgroups_with_their_limits_and_oom_scores(pair: LabCluster) -> None:
    pause = pair.ssh("w1", "crictl images -o json | grep -o 'registry.k8s.io/pause:[^\"]*' | head -n 1").strip()
    for name, (resources, _, _) in CLASSES.items():
        container = {"name": "main", "image": pause, "imagePullPolicy": "Never", "resources": resources}
        spec = {"nodeName": pair.node("w1"), "containers": [container], "terminationGracePeriodSeconds": 0}
        text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        pair.ssh("cp1", f"printf %s '{text}' | kubectl --kubeconfig /etc/kubernetes/admin.conf create -f -")
    pair.kubectl("wait", "pod", *CLASSES, "--for=condition=Ready", "--timeout=60s")
    try:
        for name, (_, directory, score) in CLASSES.items():
            pod = json.loads(pair.kubectl("get", "pod", name, "-o", "json"))
            place = "kubepods.slice/" + directory.format(pod["metadata"]["uid"].replace("-", "_"))
            container_id = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
            pid = json.loads(pair.ssh("w1", f"crictl inspect {container_id}"))["info"]["pid"]
            assert f"/{place}/" in pair.ssh("w1", f"cat /proc/{pid}/cgroup")
            if score is not None:
                assert int(pair.ssh("w1", f"cat /proc/{pid}/oom_score_adj")) == score
            if name == "guaranteed":
                limits = pair.ssh("w1", f"{V2_LIMITS.format(place)} 2>/dev/null || ({V1_LIMITS.format(place)})")
                assert limits.split()[-3:] == ["10000", "100000", "209715200"]
    finally:
        pair.kubectl("delete", "pod", *CLASSES)
