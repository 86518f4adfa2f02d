"""Unknown variables, and those that hosts must agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.spec.declarations import declarations
from kprov.spec.load import examine
from kprov.spec.scan import Owner, Place, Scan
from tests.unit.spec.inventories import codes, machines, only_error, problems, resolved, with_variable


def test_a_good_inventory_has_no_problems() -> None:
    assert problems(machines("cp1", "node1", "node2")) == []


@pytest.mark.parametrize(
    ("name", "similar"),
    [("pod_cdir", "pod_cidr"), ("Kubernetes_Version", "kubernetes_version"), ("kubelet-max-pods", "kubelet_max_pods")],
)
def test_a_misspelt_variable_gets_a_suggestion(name: str, similar: str) -> None:
    assert only_error({"cp1": {"ansible_host": "192.0.2.1", "control_plane_schedulable": True, name: 1}}).hint == (
        f"did you mean {similar}?"
    )


def test_a_variable_of_the_user_needs_the_prefix() -> None:
    assert "x_" in str(only_error(with_variable("rack", 1)).hint or "")
    assert codes(with_variable("x_rack", "{{ anything }}")) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kubelet_max_pods", "many"),
        ("kubelet_max_pods", None),
        ("kube_proxy_mode", "ipvs"),
        ("pod_cidr", "{{ x_net }}"),
        ("os_sysctl", {"a": "{{ x }}"}),
        ("os_packages", "a,b"),
        ("control_plane_schedulable", "no"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: Any) -> None:
    problem = next(p for p in problems(with_variable(name, value)) if p.severity == "error")
    assert problem.code == "wrong-value"
    assert problem.message.startswith(name)


def test_an_unsafe_text_may_contain_braces() -> None:
    assert codes(with_variable("kubelet_config", {"a": {"__ansible_unsafe": "{{ b }}"}})) == []


def test_a_wrong_line_for_many_hosts_is_one_problem() -> None:
    scan = Scan()
    scan.variable(Owner("files", "group", "all"), "kubelet_max_pods", Place("group_vars/all.yml", 7))
    hosts = machines(*(f"node{n}" for n in range(50)), "cp1", kubelet_max_pods="many")
    _, found = examine(Path("inventory.ini"), resolved(hosts), scan, declarations())
    (problem,) = [p for p in found if p.severity == "error"]
    assert (problem.file, problem.line, problem.host) == ("group_vars/all.yml", 7, None)


def test_without_a_place_the_number_of_hosts_is_given() -> None:
    problem = only_error(machines("cp1", "node1", "node2", rack=1))
    assert problem.host == "cp1"
    assert problem.message == "unknown variable rack (and on 2 more hosts)"


def test_cluster_wide_variables_must_agree() -> None:
    hosts = machines("cp1", "node1", "node2")
    hosts["node2"]["cluster_name"] = "other"
    problem = only_error(hosts)
    assert problem.code == "differs-between-hosts"
    assert problem.host == "node2"
    assert "'kubernetes' on cp1, node1 and 'other' on node2" in problem.message


def test_variables_of_a_node_may_differ() -> None:
    hosts = machines("cp1", "node1", "node2")
    hosts["node2"]["kubelet_max_pods"] = 20
    assert codes(hosts) == []
