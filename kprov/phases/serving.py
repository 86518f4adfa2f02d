"""Kubelets that ask for their serving certificate: what they may ask for, and which of them have none yet.

Approving is part of the phase `certificates` on the control planes: they get the list, and look after it every day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.remote.state import HostState, ProbeResult
from kprov.spec.cluster import ClusterSpec

PHASE = "certificates"
PORT = 10250  # KubeletConfiguration's default


def kubelets(spec: ClusterSpec) -> dict[str, dict[str, Any]]:
    """Node's name to address, names, port; the same rule as serving_kubelets in roles/cluster/vars/main.yml."""
    return {
        host.name.lower(): {
            "address": host.ip,
            "names": [str(name) for name in host.variables["kubelet_server_names"]],
            "port": host.variables["kubelet_config"].get("port", PORT),
        }
        for host in spec.group("k8s_cluster")
        if host.variables["kubelet_server_tls_bootstrap"]
    }


def without_certificate(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> tuple[str, ...]:
    """Reason to approve: kubelets that have joined, were told to ask, and have got nothing."""
    names = [
        host.name
        for host in spec.group("k8s_cluster")
        if host.variables["kubelet_server_tls_bootstrap"]
        and isinstance(state := states.get(host.name), HostState)
        and state.cluster.joined
        and not state.cluster.serving_certificate
    ]
    return (f"no serving certificate of the cluster's yet: {', '.join(names)}",) if names else ()
