"""The feature gate that kubectl exec through cri-dockerd cannot live with: off where it does harm, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kprov.lint.wanted import kubelet
from tests.roles.render import render
from tests.unit.factories import make_host

OFF = {"ExtendWebSocketsToKubelet": False}


@pytest.mark.parametrize(
    ("variables", "gates"),
    [
        ({"container_runtime": "docker", "kubernetes_version": "1.36.3"}, OFF),
        ({"container_runtime": "docker", "kubernetes_version": "1.36"}, OFF),
        ({"container_runtime": "docker", "kubernetes_version": "1.35.4"}, None),
        ({"container_runtime": "containerd", "kubernetes_version": "1.36.3"}, None),
        ({"container_runtime": "docker", "kubelet_docker_exec_fix": False}, None),
        (
            {"container_runtime": "docker", "kubelet_config": {"featureGates": {"ExtendWebSocketsToKubelet": True}}},
            {"ExtendWebSocketsToKubelet": True},
        ),
    ],
)
def test_gate(variables: dict[str, Any], gates: dict[str, bool] | None) -> None:
    written = yaml.safe_load(render("kubelet", variables)["/etc/kubernetes/kubelet.conf.d/50-kprov.conf"]["text"])
    assert written.get("featureGates") == gates
    assert kubelet(make_host("cp1", "kube_control_plane", **variables), None).get("featureGates") == gates
