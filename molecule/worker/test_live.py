"""What phase worker must have done: a node of the cluster, with its own identity and no credentials left over."""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["kube_node"]

CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"

# What must be true -> (what to read on the worker, what it says). NODE: its name
LIVE = {
    "the kubelet runs": ("systemctl is-active kubelet", "active"),
    "the kubelet is healthy": ("curl -s http://127.0.0.1:10248/healthz", "ok"),
    "it has its own certificate": (
        f"openssl x509 -noout -subject -in {CERTIFICATE} | grep -o 'CN = .*'",
        "CN = system:node:NODE",
    ),
    "the token it joined with is gone": ("ls /etc/kubernetes | grep bootstrap | wc -l", "0"),
    "it has no credentials of an administrator": ("ls /etc/kubernetes | grep admin | wc -l", "0"),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^worker | xargs", "worker.json worker.steps.json"),
}

# What must be true -> (what to ask with kubectl, what it says). VERSION: kubernetes_version
CLUSTER = {
    "the Node has the version": ("get node NODE -o jsonpath={.status.nodeInfo.kubeletVersion}", "vVERSION"),
    "no token for joining is left": ("-n kube-system get secrets -o name", ""),
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected.replace("NODE", host.check_output("hostname"))


@pytest.mark.parametrize("fact", CLUSTER)
def test_cluster_says(host: Host, control_plane: Host, variables: dict[str, Any], fact: str) -> None:
    question, expected = CLUSTER[fact]
    command = f"kubectl --kubeconfig /etc/kubernetes/admin.conf {question}"
    said = control_plane.check_output(command.replace("NODE", host.check_output("hostname")))
    assert said == expected.replace("VERSION", variables["kubernetes_version"])
