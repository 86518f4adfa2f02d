"""A node's root directory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.remote.node import read
from tests.unit.certs import pki
from tests.unit.certs.nodes import Node, kubeadm_files, serving


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """An empty node."""
    monkeypatch.setattr(read, "ROOT", str(tmp_path / "node"))
    made = Node(tmp_path / "node")
    yield made
    made.close()


@pytest.fixture
def plane(node: Node) -> Node:
    """A control plane made by kubeadm, on which nothing runs."""
    kubeadm_files(node, pki.kubeadm())
    return node


@pytest.fixture
def servers(plane: Node) -> Iterator[dict[str, Any]]:
    """What runs on `plane` when it is healthy."""
    with serving(plane, pki.kubeadm()) as running:
        yield running
