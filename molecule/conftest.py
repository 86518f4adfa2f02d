"""What the tests of all scenarios may ask for, besides testinfra's `host`: the node, over SSH, as root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner


@pytest.fixture(scope="session")
def inventory() -> str:
    """Path of the inventory of the scenario's lab."""
    return str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab", "inventory.ini"))


@pytest.fixture(scope="session")
def nodes(inventory: str) -> dict[str, Host]:
    """All nodes by name."""
    names = AnsibleRunner.get_runner(inventory).get_hosts()
    return {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in names}


@pytest.fixture(scope="session")
def control_plane(inventory: str, nodes: dict[str, Host]) -> Host:
    """The first control plane: where to ask the API server."""
    return nodes[AnsibleRunner.get_runner(inventory).get_hosts("kube_control_plane")[0]]


@pytest.fixture(scope="session")
def variables(inventory: str, nodes: dict[str, Host]) -> dict[str, Any]:
    """The lab's inventory variables, as its first node has them."""
    return AnsibleRunner.get_runner(inventory).get_variables(next(iter(nodes)))
