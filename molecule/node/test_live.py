"""What phase node must have done: the Node object says what molecule.yml asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def node(host: Host) -> dict[str, Any]:
    """The Node object."""
    return json.loads(host.check_output("kubectl --kubeconfig /etc/kubernetes/admin.conf get node $(hostname) -o json"))


def test_label(node: dict[str, Any]) -> None:
    assert node["metadata"]["labels"]["example.com/disk"] == "nvme"


def test_taint_beside_those_of_others(node: dict[str, Any]) -> None:
    assert {"key": "example.com/dedicated", "value": "db", "effect": "PreferNoSchedule"} in node["spec"]["taints"]
    assert any(
        taint["key"] == "node.kubernetes.io/not-ready" for taint in node["spec"]["taints"]
    )  # there is no network yet


def test_annotation(node: dict[str, Any]) -> None:
    assert node["metadata"]["annotations"]["example.com/owner"] == "storage team"


def test_extended_resource(node: dict[str, Any]) -> None:
    assert node["status"]["capacity"]["example.com/dongle"] == "2"
    assert node["status"]["allocatable"]["example.com/dongle"] == "2"
