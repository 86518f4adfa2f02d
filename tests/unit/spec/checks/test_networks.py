"""Networks of pods, Services and nodes."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.spec.checks.networks import node_parts, pod_addresses, prefix_for
from tests.unit.spec.inventories import codes, machines, only_error, problems


def small(**variables: Any) -> dict[str, dict[str, Any]]:
    return machines("cp1", "node1", **variables)


def test_the_pod_network_must_not_hold_a_node() -> None:
    hosts = machines("cp1", pod_cidr="192.168.0.0/16", service_cidr="10.128.0.0/12", control_plane_schedulable=True)
    hosts["cp1"]["ansible_host"] = "192.168.191.153"
    problem = only_error(hosts)
    assert problem.message == "pod_cidr 192.168.0.0/16 contains 192.168.191.153, the address of cp1"


def test_the_service_network_must_not_hold_a_node() -> None:
    assert "networks-overlap" in codes(small(service_cidr="192.0.0.0/16"))


def test_pods_and_services_must_not_overlap() -> None:
    problem = only_error(small(pod_cidr="10.96.0.0/12", service_cidr="10.97.0.0/16"))
    assert problem.message == "pod_cidr 10.96.0.0/12 and service_cidr 10.97.0.0/16 overlap"


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("pod_cidr", "10.244.0.1/16", "write 10.244.0.0/16"),
        ("pod_cidr", "10.244.0.0/16,fd00::/48", "dual stack"),
        ("pod_cidr", "pods", None),
        ("service_cidr", "", None),
    ],
)
def test_what_is_no_network_is_refused(name: str, value: str, part: str | None) -> None:
    problem = only_error(small(**{name: value}))
    assert problem.code == "network"
    assert part is None or part in str(problem.hint)


@pytest.mark.parametrize(
    ("cidr", "good"),
    [("10.96.0.0/12", True), ("10.0.0.0/11", False), ("10.96.0.0/28", True), ("10.96.0.0/29", False)],
)
def test_the_service_network_has_the_size_that_kubeadm_allows(cidr: str, *, good: bool) -> None:
    assert codes(small(service_cidr=cidr)) == ([] if good else ["network-size"])


def test_every_node_gets_a_part_of_the_pod_network() -> None:
    hosts = machines("cp1", *(f"node{n}" for n in range(4)), pod_cidr="10.244.0.0/22")
    assert "holds 4 nodes with a /24 each, but there are 5" in only_error(hosts).message
    del hosts["node3"]
    assert codes(hosts) == []


@pytest.mark.parametrize(("cidr", "prefix"), [("10.244.0.0/16", 15), ("10.244.0.0/16", 31), ("10.0.0.0/11", 28)])
def test_a_part_that_does_not_fit_is_refused(cidr: str, prefix: int) -> None:
    hosts = small(pod_cidr=cidr, pod_cidr_node_prefix=prefix, service_cidr="172.20.0.0/16", kubelet_max_pods=1)
    assert "network-size" in codes(hosts)


@pytest.mark.parametrize(
    ("most", "prefix", "good"), [(110, 25, True), (110, 26, False), (253, 24, True), (254, 24, False)]
)
def test_the_pods_of_a_node_fit_into_its_part(most: int, prefix: int, *, good: bool) -> None:
    found = codes(small(kubelet_max_pods=most, pod_cidr_node_prefix=prefix))
    assert found == ([] if good else ["max-pods"] * len(found))
    assert bool(found) is not good


def test_ipv6_networks_work_alike() -> None:
    hosts = small(pod_cidr="fd00:1::/48", pod_cidr_node_prefix=64, service_cidr="fd00:2::/108")
    for number, host in enumerate(hosts.values(), 1):
        host["ansible_host"] = f"fd00::{number}"
    assert problems(hosts) == []


def test_families_are_not_mixed() -> None:
    assert "mixed-families" in codes(small(service_cidr="fd00:2::/112"))


@given(st.integers(8, 30), st.data())
def test_parts_are_as_many_as_subnets(prefix: int, data: st.DataObject) -> None:
    node = data.draw(st.integers(prefix, min(30, prefix + 12)))
    network = ip_network(f"10.0.0.0/{prefix}")
    assert node_parts(network, node) == len(list(network.subnets(new_prefix=node)))


@given(st.integers(1, 60_000))
def test_the_suggested_prefix_is_the_longest_that_holds_the_pods(pods: int) -> None:
    prefix = prefix_for(pods)
    assert pod_addresses(prefix) >= pods > pod_addresses(prefix + 1)


@given(st.integers(0, 2**32 - 1), st.integers(8, 24), st.integers(0, 2**32 - 1), st.integers(12, 28))
def test_overlap_is_found_exactly_when_an_address_is_shared(pod: int, plen: int, service: int, slen: int) -> None:
    pods, services = ip_network((pod, plen), strict=False), ip_network((service, slen), strict=False)
    shares = pods[0] in services or services[0] in pods
    found = problems(small(pod_cidr=str(pods), service_cidr=str(services)))
    assert any("and service_cidr" in p.message and p.code == "networks-overlap" for p in found) == shares
