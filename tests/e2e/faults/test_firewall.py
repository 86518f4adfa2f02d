"""A whole cluster behind ufw, and one behind firewalld: green, kprov's rules beside those that were there before."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

NODES = ("cp1", "w1")
APT = "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends --yes"
# What a machine's owner has: SSH, and a service of his own. Everything else that comes in is refused.
INSTALL = {
    "ufw": (
        f"{APT} ufw >/dev/null && ufw allow 22/tcp >/dev/null && ufw allow 8125/udp >/dev/null"
        " && ufw --force enable >/dev/null && ufw status verbose"
    ),
    "firewalld": (
        f"{APT} firewalld >/dev/null && systemctl is-active firewalld >/dev/null"
        # As NetworkManager does on Enterprise Linux: the interface is in the zone by name, not by default.
        " && firewall-cmd -q --permanent --zone=public --add-interface=eth0"
        " && firewall-cmd -q --zone=public --add-interface=eth0"
        " && firewall-cmd -q --permanent --add-port=8125/udp && firewall-cmd -q --add-port=8125/udp"
        " && firewall-cmd --zone=public --list-all"
    ),
}
REFUSES = {"ufw": "Default: deny (incoming)", "firewalld": "services: dhcpv6-client ssh"}
LISTED = {
    "ufw": "ufw show added | sed -n \"s/^ufw //; s/ comment '.*'//; /^allow\\|^route/p\"",
    "firewalld": (
        "for when in '' --permanent; do firewall-cmd $when --zone=public --list-ports | tr ' ' '\\n';"
        " for what in sources rich-rules; do firewall-cmd $when --zone=public --list-$what; done; done | sort -u"
    ),
}
FOREIGN = {"ufw": {"allow 22/tcp", "allow 8125/udp"}, "firewalld": {"8125/udp"}}
POD_CIDR = "10.244.0.0/16"


def ports(*of_role: str) -> set[str]:
    return {"10250/tcp", "10256/tcp", "30000-32767/tcp", "30000-32767/udp", "179/tcp", *of_role}


def wanted(kind: str, node: str) -> set[str]:
    """kprov's rules on a node, as the firewall lists them."""
    opened = ports(*(("6443/tcp", "2379-2380/tcp") if node == "cp1" else ()))
    if kind == "firewalld":
        return opened | {POD_CIDR, f'rule family="ipv4" source address="{POD_CIDR}" accept'}
    of_pods = {f"allow from {POD_CIDR}", f"route allow from {POD_CIDR}", f"route allow to {POD_CIDR}"}
    return {f"allow {port.replace('-', ':')}" for port in opened} | of_pods


@pytest.fixture(scope="module", params=["ufw", "firewalld"])
def behind(request: pytest.FixtureRequest, make_lab: MakeLab) -> tuple[str, LabCluster]:
    kind: str = request.param
    lab = make_lab(kind, 1, 1, "--online")
    for node in NODES:
        assert REFUSES[kind] in lab.ssh(node, INSTALL[kind])
    return kind, lab


def listed(behind: tuple[str, LabCluster], node: str) -> set[str]:
    kind, lab = behind
    return set(lab.ssh(node, LISTED[kind]).splitlines()) - {""}


def test_cluster_behind_a_firewall_is_green_and_foreign_rules_stay(behind: tuple[str, LabCluster]) -> None:
    kind, lab = behind
    for node in NODES:
        assert listed(behind, node) == FOREIGN[kind]
    lab.up()
    verified = lab.kprov("verify")
    assert verified.exit_code == 0, verified.envelope
    for node in NODES:
        assert listed(behind, node) == FOREIGN[kind] | wanted(kind, node)
    assert lab.kprov("plan").exit_code == 0


def test_without_the_rules_it_would_not_be_and_taking_them_back_leaves_what_was_there(
    behind: tuple[str, LabCluster],
) -> None:
    kind, lab = behind
    file = lab.inventory.parent / "group_vars/all.yml"
    before = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), "os_firewall": "keep"}))
    lab.up("--no-verify")
    for node in NODES:
        assert listed(behind, node) == FOREIGN[kind]
    verified = lab.kprov("verify")
    red = {check["id"] for check in verified.data["checks"] if check["ok"] is False}
    assert red, json.dumps(verified.data)[:2000]
    file.write_text(before)
    lab.up()
