"""Flags of the control plane: its components run with them, and a bad one leaves the previous manifest and the API."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

from kprov.errors import ExitCode
from tests.e2e.cluster import API, LabCluster, change, wait_until
from tests.e2e.conftest import MakeLab

MANIFESTS = "cd /etc/kubernetes/manifests && sha256sum *"
KEPT = "ls /var/lib/kprov/control_plane"
READY = "curl -sk https://127.0.0.1:6443/readyz"
BAD = {"enable-admission-plugins": "NodeRestriction,NoSuchPlugin"}
GOOD = {"enable-admission-plugins": "NodeRestriction,AlwaysPullImages"}


@pytest.fixture(scope="module")
def one(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("flags", workers=0)
    lab.up("--no-verify")
    return lab


@pytest.fixture(scope="module")
def three(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("flags3", control_planes=3, workers=0)
    lab.up("--no-verify")
    return lab


def test_bad_flag_leaves_the_api_server_as_it_was(one: LabCluster) -> None:
    before = one.ssh("cp1", MANIFESTS)
    change(one, control_plane_api_server_args=BAD, control_plane_health_deadline=60)
    failed = one.kprov("up", "--yes", "--no-verify")
    assert failed.exit_code == ExitCode.PHASE
    for words in (
        "kube-apiserver said last",
        "NoSuchPlugin",
        "The previous manifest of kube-apiserver is back and the API server answers",
        "control_plane_api_server_args",
    ):
        assert words in failed.stderr
    assert one.ssh("cp1", READY) == "ok"
    assert one.ssh("cp1", MANIFESTS) == before
    assert one.ssh("cp1", KEPT) == ""
    assert ("control_plane", one.node("cp1")) in {(s["phase"], s["host"]) for s in one.kprov("plan").data["steps"]}


def test_bad_manifest_of_a_killed_machine_is_replaced_by_the_next_run(one: LabCluster) -> None:
    """What keeps a module alive after kprov has been killed does not survive a power cut."""
    before = one.ssh("cp1", MANIFESTS)
    argv = [sys.executable, "-m", "kprov", "up", str(one.inventory), "--yes", "--no-verify"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as up:
        wait_until("the bad manifest is written", lambda: "NoSuchPlugin" in one.ssh("cp1", f"cat {API}"))
        one.ssh("cp1", "kill -KILL $(cat /run/kprov.lock)")
        assert up.wait(timeout=120) == ExitCode.PHASE
    assert one.ssh("cp1", MANIFESTS) != before
    change(one, control_plane_api_server_args={})
    one.up("--no-verify")
    assert one.ssh("cp1", MANIFESTS) == before
    assert one.ssh("cp1", KEPT) == ""
    assert one.kprov("plan").exit_code == 0


def test_corrected_flag_goes_through(one: LabCluster) -> None:
    change(one, control_plane_api_server_args=GOOD)
    one.up("--no-verify")
    pod = yaml.safe_load(one.ssh("cp1", "cat /etc/kubernetes/manifests/kube-apiserver.yaml"))
    assert "--enable-admission-plugins=NodeRestriction,AlwaysPullImages" in pod["spec"]["containers"][0]["command"]
    running = one.ssh("cp1", "tr '\\0' '\\n' < /proc/$(pgrep -x kube-apiserver)/cmdline")
    assert re.search("^--enable-admission-plugins=NodeRestriction,AlwaysPullImages$", running, re.MULTILINE)
    assert one.kprov("plan").exit_code == 0


def test_pods_that_have_ended_go_beyond_the_threshold_and_no_others(one: LabCluster) -> None:
    arguments = "tr '\\0' '\\n' < /proc/$(pgrep -f ^kube-controller-manager)/cmdline | grep terminated-pod"
    assert one.ssh("cp1", arguments) == "--terminated-pod-gc-threshold=12500\n"
    change(one, control_plane_terminated_pod_gc_threshold=3)
    one.up("--no-verify")
    assert one.ssh("cp1", arguments) == "--terminated-pod-gc-threshold=3\n"
    pause = one.ssh("cp1", "crictl images -o json | grep -o 'registry.k8s.io/pause:[^\"]*' | head -n 1").strip()
    system = "kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -n kube-system -o name | sort"
    before = one.ssh("cp1", system)
    container = {"name": "main", "image": pause, "imagePullPolicy": "Never", "command": ["/pause", "-v"]}
    spec = {"nodeName": one.node("cp1"), "restartPolicy": "Never", "containers": [container]}
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"done-{n}"}, "spec": spec} for n in range(8)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    one.ssh("cp1", f"printf %s '{text}' | kubectl --kubeconfig /etc/kubernetes/admin.conf create -f -")
    try:
        wait_until("the oldest are gone", lambda: phases(one) == ["Succeeded"] * 3, 90)  # it looks every 20 s
        assert one.ssh("cp1", system) == before
    finally:
        one.kubectl("delete", "pods", "--all", "-n", "default")


def test_flags_reach_members_of_etcd_that_joined_and_others_do_not_restart_it(three: LabCluster) -> None:
    planes = ("cp1", "cp2", "cp3")
    before = {plane: three.static_pods(plane) for plane in planes}
    change(three, control_plane_scheduler_args={"v": "1"})
    three.up("--no-verify")
    for plane in planes:
        after = three.static_pods(plane)
        assert {name for name in after if before[plane][name] != after[name]} == {"kube-scheduler"}
    change(three, control_plane_etcd_args={"quota-backend-bytes": 4 << 30})
    three.up("--no-verify")
    for plane in planes:
        running = three.ssh(plane, "tr '\\0' '\\n' < /proc/$(pgrep -x etcd)/cmdline").splitlines()
        assert f"--quota-backend-bytes={4 << 30}" in running
        # A member that joined does not become a cluster of its own when its data are lost.
        assert ("--initial-cluster-state=existing" in running) == (plane != "cp1")
    assert three.kprov("plan").exit_code == 0


def phases(lab: LabCluster) -> list[str]:
    """Of the pods in the namespace default."""
    return lab.kubectl("get", "pods", "-n", "default", "-o", "jsonpath={.items[*].status.phase}").split()
