"""Nodes for tests of rules: a good one, and what is to be changed on it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from kprov.lint.record import Config, Facts, Node, Runtime, View
from kprov.lint.rule import Row
from kprov.lint.rules import RULES
from kprov.lint.wanted import wanted
from kprov.remote.node.runtime import CONTAINERD
from kprov.reserve.capacity import Capacity
from tests.unit.factories import make_host

MACHINE = Capacity(4, 8 * 2**30, 0, 100 * 10**9, 100 * 10**9, 1_000_000)
RESOLV_CONF = "/etc/resolv.conf"


def good(**variables: Any) -> Node:
    """A node on which everything is as the inventory wants it, with the defaults of every variable."""
    host = make_host("w1", "kube_node", **variables)
    spec = wanted(host, MACHINE)
    assert spec.kubelet
    fields = {**copy.deepcopy(dict(spec.kubelet.fields)), "resolvConf": RESOLV_CONF}
    live = replace(spec, kubelet=Config(fields))
    facts = Facts(
        capacity=MACHINE,
        nameservers={RESOLV_CONF: ("192.0.2.53",)},
        cgroups=frozenset(),
        started=1000.0,
        written={"/var/lib/kubelet/config.yaml": 900.0},
    )
    return Node("w1", spec, live, replace(live, sockets={CONTAINERD: None}), facts)


def with_fields(view: View, **fields: Any) -> View:
    """The view with other fields of KubeletConfiguration; dictionaries replace dictionaries."""
    assert view.kubelet
    return replace(view, kubelet=replace(view.kubelet, fields={**view.kubelet.fields, **fields}))


def running(node: Node, **fields: Any) -> Node:
    """Files and running values with these fields."""
    return replace(node, file=with_fields(node.file, **fields), running=with_fields(node.running, **fields))


def kernel(node: Node, **values: str) -> Node:
    """Files and running values with these settings; _ stands for a dot where the name has one."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    views = [replace(view, kernel={**view.kernel, **names}) for view in (node.file, node.running)]
    return replace(node, file=views[0], running=views[1])


def runtime(node: Node, **values: Any) -> Node:
    """Files and running values of another runtime."""
    found = Runtime(**{"name": "containerd", "cgroup_driver": "systemd", **values})
    return replace(node, file=replace(node.file, runtime=found), running=replace(node.running, runtime=found))


def facts(node: Node, **values: Any) -> Node:
    """Another machine."""
    return replace(node, facts=replace(node.facts, **values))


def row(rule: str, node: Node) -> Row:
    """What one rule says."""
    return next(one for one in RULES if one.id == rule).judge(node)
