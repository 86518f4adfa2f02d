"""Operating system: values that the kernel, systemd or another part of the cluster would not take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.inventories import machines, only_error, problems

LEAVE = {"conntrack": {"maxPerCore": 0, "min": 0}}


@pytest.mark.parametrize(
    "variables",
    [
        {"os_sysctl": {"net.ipv4.conf.eth0/1.rp_filter": 2, "net.core.somaxconn": None, "vm.swappiness": "10"}},
        {"os_sysctl": {"kernel.panic": 10, "vm.overcommit_memory": True}},
        {"os_sysctl": {"net.netfilter.nf_conntrack_max": 524288}, "kube_proxy_config": LEAVE},
        {"os_journal_max_use": "1.5G", "os_journal_rate_limit_interval": "1min 30s"},
        {"os_journal_rate_limit_interval": "0", "os_journal_rate_limit_burst": 0},
        {"os_hosts_entries": {"192.0.2.9": ["registry.example"], "2001:db8::1": ["r"]}},
        {
            "os_node_ports": "30000-30999",
            "control_plane_api_server_args": {"service-node-port-range": "30000-30999"},
        },
        {"os_hugepages": 512},
        {"os_disk_free": {"/": 10, "/data": 0.5}},
    ],
)
def test_sensible_values_are_silent(variables: dict[str, Any]) -> None:
    assert problems(machines("cp1", "node1", **variables)) == []


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({"os_sysctl": {"somaxconn": 1}}, "sysctl", "'somaxconn' is not a kernel setting"),
        ({"os_sysctl": {"vm.a; rm": 1}}, "sysctl", "is not a kernel setting"),
        ({"os_sysctl": {"net.ipv4.tcp_rmem": [1, 2, 3]}}, "sysctl", "must have one value"),
        ({"os_sysctl": {"net/netfilter/nf_conntrack_max": 9}}, "sysctl", "is set by kube-proxy"),
        ({"os_journal_max_use": "1 GB"}, "journal", "not of the form 1G"),
        ({"os_journal_rate_limit_interval": "soon"}, "journal", "not of the form 30s"),
        ({"os_journal_rate_limit_burst": -1}, "journal", "less than 0"),
        ({"os_hosts_entries": {"registry.example": ["192.0.2.9"]}}, "hosts-entry", "is not an address"),
        ({"os_hosts_entries": {"192.0.2.9": "registry.example"}}, "hosts-entry", "needs a list of names"),
        ({"os_node_ports": "30000"}, "node-ports", "not a range"),
        ({"os_node_ports": "32767-30000"}, "node-ports", "not a range"),
        ({"os_node_ports": "31000-32000"}, "node-ports", "service-node-port-range is 30000-32767"),
        ({"os_hugepages": -1}, "hugepages", "not between 0 and"),
        ({"os_disk_free": {"data": 1}}, "disk-free", "'data' is not an absolute path"),
        ({"os_disk_free": {"/data": "10Gi"}}, "disk-free", "/data needs a number of GiB, not '10Gi'"),
    ],
)
def test_what_would_fail_later_is_refused_now(variables: dict[str, Any], code: str, message: str) -> None:
    problem = only_error(machines("cp1", "node1", **variables))
    assert problem.code == code
    assert message in problem.message


def test_conntrack_hint_can_be_pasted() -> None:
    hosts = machines("cp1", "node1", os_sysctl={"net.netfilter.nf_conntrack_max": 500000})
    assert only_error(hosts).hint == "kube_proxy_config: {conntrack: {maxPerCore: 0, min: 500000}}"
