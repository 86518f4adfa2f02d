"""Names of nodes, of the cluster and of its domain."""

from __future__ import annotations

import pytest

from tests.unit.spec.inventories import codes, machines, only_error, with_variable


@pytest.mark.parametrize("name", ["node_1", "-node", "node-", "node..a", "n" * 64, "knödel", "a b"])
def test_a_name_that_the_kubelet_refuses_is_refused(name: str) -> None:
    assert only_error(machines("cp1", name)).code == "node-name"


def test_a_name_that_its_label_cannot_hold_is_refused() -> None:
    assert "kubernetes.io/hostname" in only_error(machines("cp1", "n" * 40 + "." + "n" * 40)).message


@pytest.mark.parametrize("name", ["Node1", "node.example.com", "192.0.2.9", "1", "n" * 63])
def test_a_good_name_is_accepted(name: str) -> None:
    assert codes(machines("cp1", name)) == []


def test_a_better_name_is_suggested() -> None:
    assert only_error(machines("cp1", "my_node_1")).hint == "for example my-node-1"


def test_names_that_differ_in_case_only_are_the_same_node() -> None:
    assert only_error(machines("cp1", "Node1", "node1")).code == "duplicate-name"


@pytest.mark.parametrize("name", ["", "My", "a/b", "..", "a b", "../x", "x" * 64])
def test_a_cluster_name_that_is_no_name_is_refused(name: str) -> None:
    assert codes(with_variable("cluster_name", name)) == ["cluster-name"]


@pytest.mark.parametrize("name", ["cluster.local.", "Cluster.local", "", "a_b"])
def test_a_domain_that_is_no_domain_is_refused(name: str) -> None:
    assert codes(with_variable("dns_domain", name)) == ["dns-domain"]
