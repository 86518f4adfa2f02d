"""Addresses of machines."""

from __future__ import annotations

import pytest

from tests.unit.spec.inventories import codes, examined, machines, only_error


def test_ip_is_ansible_host_unless_it_is_set() -> None:
    hosts = machines("cp1", "node1")
    hosts["node1"]["ip"] = "10.9.9.9"
    draft, found = examined(hosts)
    assert [h.text("ip") for h in draft.hosts] == ["192.0.2.1", "10.9.9.9"]
    assert found == []


def test_ip_is_the_name_if_nothing_else_is_known() -> None:
    draft, found = examined({"cp1": {"control_plane_schedulable": True, "ip": "192.0.2.1"}, "192.0.2.7": {}})
    assert draft.hosts[1].text("ip") == "192.0.2.7"
    assert found == []


def test_a_name_is_no_address() -> None:
    problem = only_error({"cp1": {"ansible_host": "cp1.example"}, "node1": {"ansible_host": "192.0.2.1"}})
    assert problem.code == "node-address"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "300.1.1.1"])
def test_an_address_that_nobody_can_reach_is_refused(address: str) -> None:
    hosts = machines("cp1", "node1")
    hosts["node1"]["ip"] = address
    assert only_error(hosts).code == "node-address"


def test_no_two_hosts_share_an_address() -> None:
    hosts = machines("cp1", "node1")
    hosts["node1"]["ip"] = "192.0.2.1"
    assert only_error(hosts).message == "node1 has the same address as cp1: 192.0.2.1"


def test_no_two_hosts_are_the_same_machine() -> None:
    hosts = machines("cp1", "node1")
    for number, host in enumerate(hosts.values(), 1):
        host |= {"ansible_host": "gate.example", "ip": f"10.9.9.{number}"}
    assert only_error(hosts).code == "duplicate-address"
    hosts["node1"]["ansible_port"] = 2222
    assert codes(hosts) == []


def test_nodes_are_of_one_family() -> None:
    hosts = machines("cp1", "node1")
    hosts["node1"]["ip"] = "fd00::1"
    assert only_error(hosts).code == "mixed-families"
