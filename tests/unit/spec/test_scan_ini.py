"""Host patterns and lines of an INI inventory."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.inventory import expand_hostname_range
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.spec.scan import Owner, Place, Scan
from kprov.spec.scan_ini import expand, scan_ini


def scanned(text: str) -> Scan:
    scan = Scan()
    scan_ini(text, "inventory.ini", scan)
    return scan


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("node", ["node"]),
        ("n[1:3]", ["n1", "n2", "n3"]),
        ("n[08:10].example", ["n08.example", "n09.example", "n10.example"]),
        ("n[1:5:2]", ["n1", "n3", "n5"]),
        ("[a:c]x", ["ax", "bx", "cx"]),
        ("r[1:2]n[1:2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_expands_ranges(pattern: str, hosts: list[str]) -> None:
    assert list(expand(pattern)) == hosts


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(0, 30), st.integers(1, 4), st.integers(1, 4))
def test_expands_ranges_as_ansible_does(first: int, count: int, width: int, step: int) -> None:
    pattern = f"n[{str(first).zfill(width)}:{str(first + count).zfill(width)}:{step}]"
    try:
        expected = expand_hostname_range(pattern)
    except AnsibleError:  # 08:100 and the like: no inventory, so nothing to locate
        return
    assert list(expand(pattern)) == expected


def test_knows_lines_of_hosts_groups_and_variables() -> None:
    scan = scanned("# a comment\n[kube_node]\nn[1:2]:2222 a=1 b='x # y' # c=3\n\n[kube_node:vars]\nd = 4\n")
    assert scan.groups == {"kube_node": Place("inventory.ini", 2)}
    assert scan.hosts == {"n1": Place("inventory.ini", 3), "n2": Place("inventory.ini", 3)}
    assert set(scan.variables[Owner("inventory", "host", "n2")]) == {"ansible_port", "a", "b"}
    assert scan.variables[Owner("inventory", "group", "kube_node")] == {"d": Place("inventory.ini", 6)}


def test_an_ipv6_address_is_a_host_without_port() -> None:
    assert list(scanned("fd00::1\n").hosts) == ["fd00::1"]


@given(st.text())
def test_survives_any_text(text: str) -> None:
    scanned(text)
