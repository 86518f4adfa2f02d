"""`kprov verify` on a real cluster: green when all is well, red at the right row when something is broken."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster import API, READY, Completed, LabCluster, wait_until

Cluster = LabCluster
NAMESPACES = ("get", "namespaces", "-l", "app.kubernetes.io/name=kprov-verify", "-o", "name")
REMOVE_AFFINITY = '[{"op": "remove", "path": "/spec/template/spec/affinity"}]'


@contextmanager
def broken(cluster: Cluster, node: str, command: str, mend: str) -> Iterator[None]:
    """Break something on a node, and mend it whatever the test finds."""
    cluster.ssh(node, command)
    try:
        yield
    finally:
        cluster.ssh(node, mend)


def red(done: Completed) -> dict[str, set[str]]:
    """Check -> short names of the hosts of its red rows."""
    return {
        check["id"]: {row["host"].rpartition("-")[2] for row in check["hosts"] if row["judged"] and not row["ok"]}
        for check in done.data["checks"]
        if not check["ok"]
    }


def nothing_left(cluster: Cluster) -> bool:
    return cluster.kubectl(*NAMESPACES).strip() == ""


def pod_network(cluster: Cluster, node: str) -> str:
    return cluster.kubectl("get", "node", cluster.node(node), "-o", "jsonpath={.spec.podCIDR}")


def nodes_ready(cluster: Cluster) -> dict[str, bool]:
    items = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return {
        item["metadata"]["name"].rpartition("-")[2]: any(
            c["type"] == "Ready" and c["status"] == "True" for c in item["status"]["conditions"]
        )
        for item in items
    }


@pytest.fixture(autouse=True)
def healthy(cluster: Cluster) -> Iterator[None]:
    """Each test begins and ends with a cluster that is all right, so that a failure does not spread."""
    yield
    wait_until("all nodes Ready again", lambda: all(nodes_ready(cluster).values()))
    wait_until("CoreDNS again", lambda: _available(cluster, "deployment", "coredns"))
    wait_until("kube-router again", lambda: _available(cluster, "daemonset", "kube-router"))


def _available(cluster: Cluster, kind: str, name: str) -> bool:
    status = json.loads(cluster.kubectl("-n", "kube-system", "get", kind, name, "-o", "json"))
    if kind == "deployment":
        return bool(status["status"].get("availableReplicas", 0) == status["spec"]["replicas"] > 0)
    return bool(status["status"].get("numberReady", 0) == 3 == status["status"].get("updatedNumberScheduled", 0))


def test_healthy_cluster_is_all_green_and_nothing_is_left(cluster: Cluster) -> None:
    done = cluster.kprov("verify")
    assert done.exit_code == 0, red(done)
    assert all(check["ok"] and not check["skipped"] for check in done.data["checks"])
    assert len(done.data["checks"]) == 12
    assert nothing_left(cluster)


def test_broken_pod_network_is_red_in_pod_to_pod_and_names_the_pair(cluster: Cluster) -> None:
    rule = f"to {pod_network(cluster, 'w2')} prio 50 blackhole"
    with broken(cluster, "w1", f"ip rule add {rule}", f"ip rule del {rule}"):
        done = cluster.kprov("verify")
    assert done.exit_code == 2
    assert red(done)["pod-to-pod"] == {"w1", "w2"}
    detail = next(c["detail"] for c in done.data["checks"] if c["id"] == "pod-to-pod")
    assert f"{cluster.node('w1')} -> {cluster.node('w2')}" in detail
    assert not {"nodes", "system-pods", "pod-start", "logs", "exec"} & set(red(done))


def test_no_coredns_is_red_in_system_pods_and_in_dns_on_every_node(cluster: Cluster) -> None:
    scale = ("-n", "kube-system", "scale", "deployment", "coredns")
    pods = ("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", "name")
    cluster.kubectl(*scale, "--replicas=0")
    try:
        wait_until("CoreDNS is gone", lambda: not cluster.kubectl(*pods).strip())
        done = cluster.kprov("verify")
    finally:
        cluster.kubectl(*scale, "--replicas=2")
    assert red(done) == {"system-pods": {"cp1"}, "dns": {"cp1", "w1", "w2"}}


def test_stopped_kubelet_is_red_at_once_and_as_a_node_later(cluster: Cluster) -> None:
    with broken(cluster, "w2", "systemctl stop kubelet", "systemctl start kubelet"):
        assert red(cluster.kprov("verify")) == {"pod-start": {"w2"}}
        wait_until("the node is NotReady", lambda: not nodes_ready(cluster)["w2"], 180)
        later = red(cluster.kprov("verify"))
    assert later["nodes"] == {"w2"}
    assert not {"pod-start", "dns", "pod-to-pod", "service-ip", "node-port"} & set(later)
    assert nothing_left(cluster)


def test_kubelet_that_cannot_be_reached_is_red_in_logs_and_exec(cluster: Cluster) -> None:
    rule = "INPUT -p tcp --dport 10250 -j REJECT --reject-with tcp-reset"
    with broken(cluster, "w1", f"iptables -I {rule}", f"iptables -D {rule}"):
        assert red(cluster.kprov("verify")) == {"logs": {"w1"}, "exec": {"w1"}}


def test_services_that_a_node_does_not_reach_are_red_there(cluster: Cluster) -> None:
    rule = "PREROUTING -t raw -p tcp -d 10.96.0.0/16 -j DROP"
    with broken(cluster, "w1", f"iptables -I {rule}", f"iptables -D {rule}"):
        assert red(cluster.kprov("verify")) == {"service-ip": {"w1"}}


def test_node_port_behind_a_firewall_is_red_there(cluster: Cluster) -> None:
    rule = "PREROUTING -t raw -i eth0 -p tcp --dport 30000:32767 -j DROP"
    with broken(cluster, "w2", f"iptables -I {rule}", f"iptables -D {rule}"):
        assert red(cluster.kprov("verify")) == {"node-port": {"w2"}}


def test_policy_that_nobody_enforces_is_red_on_that_node(cluster: Cluster) -> None:
    elsewhere = {
        "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [cluster.node("w1")]}]
    }
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [elsewhere]}}
    patch = {"spec": {"template": {"spec": {"affinity": {"nodeAffinity": required}}}}}
    cluster.kubectl("-n", "kube-system", "patch", "daemonset", "kube-router", "--type=merge", "-p", json.dumps(patch))
    try:
        cluster.kubectl("-n", "kube-system", "rollout", "status", "daemonset", "kube-router", "--timeout=120s")
        done = cluster.kprov("verify")
    finally:
        # up leaves a field alone that it never set; then it takes the object as it is now for its own.
        cluster.kubectl("-n", "kube-system", "patch", "daemonset", "kube-router", "--type=json", "-p", REMOVE_AFFINITY)
        cluster.up()
    assert red(done)["network-policy"] == {"w1"}
    assert red(done)["system-pods"] == {"w1"}


@contextmanager
def running(cluster: Cluster) -> Iterator[subprocess.Popen[bytes]]:
    """A `kprov verify` whose namespace exists."""
    argv = [sys.executable, "-m", "kprov", "verify", str(cluster.inventory)]
    run = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("the namespace is there", lambda: not nothing_left(cluster) or run.poll() is not None)
        assert run.poll() is None, "the run ended before it could be interrupted"
        yield run
    finally:
        run.kill()
        run.wait()


def test_ctrl_c_cleans_up(cluster: Cluster) -> None:
    with running(cluster) as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=90) == 130
    assert nothing_left(cluster)


def test_leftovers_of_a_killed_run_are_removed_by_the_next(cluster: Cluster) -> None:
    with running(cluster) as run:
        run.kill()
        run.wait()
    left = cluster.kubectl(*NAMESPACES).strip().removeprefix("namespace/")
    assert left.startswith("kprov-verify-")
    done = cluster.kprov("verify")
    assert done.exit_code == 0, red(done)
    assert done.data["leftovers_removed"] == [left]
    wait_until("nothing is left", lambda: nothing_left(cluster), 30)


def test_keep_keeps_the_namespace_until_the_next_run(cluster: Cluster) -> None:
    kept = cluster.kprov("verify", "--keep").data["namespace_kept"]
    assert kept in cluster.kubectl(*NAMESPACES)
    assert kept in cluster.kprov("verify").data["leftovers_removed"]
    wait_until("nothing is left", lambda: nothing_left(cluster), 30)


def test_dead_api_cannot_be_verified_and_status_still_says_what_is_there(cluster: Cluster) -> None:
    stop = f"mv {API} /root/kube-apiserver.yaml; crictl ps -q --name kube-apiserver | xargs -r crictl stop"
    start = f"mv /root/kube-apiserver.yaml {API}"
    with broken(cluster, "cp1", stop, start):
        dead = cluster.kprov("verify")
        status = cluster.kprov("status")
    assert dead.exit_code == 4
    assert [p["code"] for p in dead.envelope["problems"]] == ["api-unreachable"]
    assert status.exit_code == 2
    assert status.data["api"]["reachable"] is False
    assert [host["reachable"] for host in status.data["hosts"]] == [True] * 3
    wait_until("the API answers again", lambda: "ok" in cluster.ssh("cp1", READY, check=False))


def test_container_runtime_that_hangs_is_named_at_once_by_every_command(cluster: Cluster) -> None:
    """Its unit is active all the while, and the Node may still be Ready."""
    socket = "/run/containerd/containerd.sock"
    with broken(cluster, "w2", "kill -STOP $(pidof containerd)", "kill -CONT $(pidof containerd)"):
        assert cluster.ssh("w2", "systemctl is-active containerd").strip() == "active"
        started = time.monotonic()
        status = cluster.kprov("status")
        assert time.monotonic() - started < 20
        hosts = {host["host"]: host for host in status.data["hosts"]}
        assert hosts[cluster.node("w2")]["runtime"] == {socket: "gives no answer within 5 s"}
        assert not hosts[cluster.node("w2")]["healthy"]
        assert hosts[cluster.node("w1")]["runtime"] == {socket: None}
        lint = cluster.kprov("lint", "--skip", "image-gc")
        plan = cluster.kprov("plan")
        verified = cluster.kprov("verify")
    found = {(row["host"], row["rule"]) for row in lint.data["rows"] if row["verdict"] == "error"}
    assert found == {(cluster.node("w2"), "runtime-responds")}
    said = [
        (problem["host"], problem["severity"])
        for problem in plan.envelope["problems"]
        if problem["code"] == "runtime-responds"
    ]
    assert said == [(cluster.node("w2"), "warning")]
    assert red(verified)["lint"] == {"w2"}
    assert "the container runtime hangs" in next(c["detail"] for c in verified.data["checks"] if c["id"] == "lint")
