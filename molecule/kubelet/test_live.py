"""What phase kubelet must have done on a node that runs: the live configuration, not the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
MAX_PODS = 77  # converge.yml

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "the kubelet runs": ("systemctl is-active kubelet", "active"),
    "a boot starts it": ("systemctl is-enabled kubelet", "enabled"),
    "it did not crash": ("systemctl show -P NRestarts kubelet", "0"),
    "it is healthy": ("curl -s --retry 10 --retry-connrefused http://127.0.0.1:10248/healthz", "ok"),
    "its unauthenticated port is closed": ("ss -Hltn sport = :10255", ""),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^kubelet", "kubelet.json"),
}

# Field of KubeletConfiguration -> its value, as the kubelet itself says it
CONFIGZ = {
    "maxPods": MAX_PODS,
    "cgroupDriver": "systemd",
    "rotateCertificates": True,
    "mergeDefaultEvictionSettings": True,
    "resolvConf": "/etc/resolv.conf",
    "clusterDNS": ["10.96.0.10"],
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
}


@pytest.fixture(scope="module")
def configz(host: Host) -> dict[str, Any]:
    """The kubelet's running configuration. A kubelet that was just restarted may need a moment to answer."""
    url = f"/api/v1/nodes/{host.check_output('hostname')}/proxy/configz"
    said = host.check_output(f"for try in $(seq 30); do {KUBECTL} get --raw {url} && break; sleep 1; done")
    return json.loads(said)["kubeletconfig"]


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


@pytest.mark.parametrize("key", CONFIGZ)
def test_running_configuration_says(configz: dict[str, Any], key: str) -> None:
    assert configz[key] == CONFIGZ[key]


def test_scheduler_is_told(host: Host) -> None:
    """The scheduler goes by the Node's capacity."""
    condition = f"jsonpath={{.status.capacity.pods}}={MAX_PODS}"
    assert host.run(f"{KUBECTL} wait node/$(hostname) --timeout 60s --for '{condition}'").succeeded
