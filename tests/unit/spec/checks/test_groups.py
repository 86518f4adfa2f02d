"""Control planes, nodes, etcd, and hosts that nobody thought of."""

from __future__ import annotations

import pytest

from tests.unit.spec.inventories import codes, examined, machines, only_error, problems

CP = "kube_control_plane"


def test_a_cluster_needs_a_control_plane() -> None:
    assert only_error(machines("node1")).code == "no-control-plane"


@pytest.mark.parametrize(("count", "expected"), [(1, []), (2, ["even-etcd"]), (3, []), (4, ["even-etcd"]), (5, [])])
def test_etcd_needs_an_odd_number_of_members(count: int, expected: list[str]) -> None:
    assert codes(machines("node1", *(f"cp{n}" for n in range(count)))) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kube-master", CP),
        ("masters", CP),
        ("kube_control_planes", CP),
        ("workers", "kube_node"),
        ("kube-node", "kube_node"),
    ],
)
def test_other_names_of_groups_are_explained(old: str, new: str) -> None:
    groups = {CP: ["cp1"], "kube_node": ["node1"], old: ["extra"]}
    problem = only_error(machines("cp1", "node1", "extra"), groups)
    assert problem.message == f"group {old} is called {new} here"


def test_a_group_that_repeats_ours_is_fine() -> None:
    hosts = machines("cp1", "node1")
    assert problems(hosts, {CP: ["cp1"], "kube_node": ["node1"], "workers": ["node1"], "rack1": ["cp1"]}) == []


def test_etcd_must_be_where_the_control_planes_are() -> None:
    hosts = machines("cp1", "node1")
    assert codes(hosts, {CP: ["cp1"], "kube_node": ["node1"], "etcd": ["cp1"]}) == []
    problem = only_error(hosts, {CP: ["cp1"], "kube_node": ["node1"], "etcd": ["node1"]})
    assert problem.code == "external-etcd"
    assert "not supported yet" in problem.message


def test_a_host_outside_is_a_warning_and_not_in_the_cluster() -> None:
    draft, found = examined(machines("cp1", "node1", "bastion"), {CP: ["cp1"], "kube_node": ["node1"]})
    assert [(p.code, p.severity, p.host) for p in found] == [("host-outside", "warning", "bastion")]
    assert [h.name for h in draft.hosts] == ["cp1", "node1"]


def test_control_planes_only_run_no_pods_unless_told_to() -> None:
    assert [p.code for p in problems(machines("cp1"))] == ["nowhere-to-run"]
    assert problems(machines("cp1", control_plane_schedulable=True)) == []


def test_control_planes_come_first_in_the_order_of_their_group() -> None:
    hosts = machines("node1", "cp2", "cp1", "cp3")
    draft, _ = examined(hosts, {"kube_node": ["node1", "cp2"], CP: ["cp1", "cp3", "cp2"]})
    assert [h.name for h in draft.hosts] == ["cp1", "cp3", "cp2", "node1"]
