"""What phase kubernetes must have done: programs of one version, images pinned, crictl that finds the runtime."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

CONDITIONS = "{{range .status.conditions}}{{if .status}}{{.type}} {{end}}{{end}}"

# What must be true -> (what to read on the node, what it says). VERSION: kubernetes_version
LIVE = {
    "kubeadm's version": ("kubeadm version -o short", "vVERSION"),
    "kubelet's version": ("kubelet --version", "Kubernetes vVERSION"),
    "kubectl's version": ("kubectl version --client 2>&1 | head -n 1", "Client Version: vVERSION"),
    "CNI plugins are there": (
        "ls /opt/cni/bin | grep -xE 'bridge|host-local|loopback|portmap' | xargs",
        "bridge host-local loopback portmap",
    ),
    # There is no network yet, so of the runtime's two conditions one holds.
    "crictl finds the runtime": (f"crictl info -o go-template --template '{CONDITIONS}' | xargs", "RuntimeReady"),
    "the runtime lets systemd manage cgroups": ("crictl info | grep -c '\"SystemdCgroup\": true'", "1"),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^kubernetes", "kubernetes.json"),
}

# Every part of a reference after the registry. VERSION: kubernetes_version
PINNED = [
    "kube-apiserver:vVERSION",
    "kube-controller-manager:vVERSION",
    "kube-proxy:vVERSION",
    "kube-scheduler:vVERSION",
    "coredns/coredns:",
    "etcd:",
    "kube-router:",
    "pause:",
]


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, variables: dict[str, Any], fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected.replace("VERSION", variables["kubernetes_version"])


@pytest.mark.parametrize("image", PINNED)
def test_image_is_there_and_pinned(host: Host, variables: dict[str, Any], image: str) -> None:
    images = json.loads(host.check_output("crictl images -o json"))["images"]
    pinned = [tag for each in images if each["pinned"] for tag in each["repoTags"]]
    part = f"/{image}".replace("VERSION", variables["kubernetes_version"])
    assert any(part in tag for tag in pinned), pinned
