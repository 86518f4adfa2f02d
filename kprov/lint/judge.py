"""Nodes -> rows, and what other commands make of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kprov.errors import Problem
from kprov.lint.record import Facts, Node, View
from kprov.lint.rule import Row
from kprov.lint.rules import RULES
from kprov.lint.wanted import wanted
from kprov.remote.state import HostState, ProbeResult
from kprov.spec.cluster import ClusterSpec


def judge(nodes: Iterable[Node], skip: Collection[str] = ()) -> tuple[Row, ...]:
    """Every rule's word on every node; skip: ids of rules to leave out."""
    return tuple(rule.judge(node) for node in nodes for rule in RULES if rule.id not in skip)


def problems(rows: Iterable[Row]) -> list[Problem]:
    """The findings, as every command lists them."""
    return [
        Problem("error" if row.verdict == "error" else "warning", row.rule, row.message, host=row.host, hint=row.hint)
        for row in rows
        if row.found
    ]


def of_inventory(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> list[Problem]:
    """Warnings about what the inventory asks for, by the rules that checking it does not know. For `plan` and `up`."""
    found = []
    for host in spec.hosts:
        state = states.get(host.name)
        capacity = state.capacity if isinstance(state, HostState) else None
        node = Node(host.name, wanted(host, capacity), View(), View(), Facts(capacity=capacity))
        rows = [rule.judge(node) for rule in RULES if rule.in_plan]
        found += [Problem("warning", row.rule, row.message, host=row.host, hint=row.hint) for row in rows if row.found]
    return found
