"""What phase network must have done: pods have addresses, and a Service reaches them."""

from __future__ import annotations

import pytest
from testinfra.host import Host

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "the node is Ready": (
        f"{KUBECTL} get nodes -o jsonpath='{{.items[*].status.conditions[?(@.type==\"Ready\")].status}}'",
        "True",
    ),
    "kube-router runs": (f"{KUBECTL} -n kube-system get ds kube-router -o jsonpath={{.status.numberReady}}", "1"),
    "its objects carry kprov's label": (
        f"{KUBECTL} -n kube-system get ds,cm -l app.kubernetes.io/managed-by=kprov -o name | grep router | xargs",
        "daemonset.apps/kube-router configmap/kube-router",
    ),
    "the runtime has loaded its configuration": ('crictl info | grep -c \'"lastCNILoadStatus": "OK"\'', "1"),
    "pods have a bridge": ("ip -br link show kube-bridge | awk '{print $2}'", "UP"),
}


@pytest.fixture(scope="module", autouse=True)
def pods_run(host: Host) -> None:
    """CoreDNS needs the network to start at all."""
    assert host.run(f"{KUBECTL} -n kube-system rollout status deployment/coredns --timeout 90s").succeeded


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


def test_a_service_reaches_pods(host: Host) -> None:
    """CoreDNS' metrics come through kube-proxy and the pod network."""
    address = host.check_output(f"{KUBECTL} -n kube-system get service kube-dns -o jsonpath={{.spec.clusterIP}}")
    assert "coredns_build_info" in host.check_output(f"curl -sS --max-time 10 http://{address}:9153/metrics")
