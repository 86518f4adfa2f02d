"""The preflight rules, in the order in which their problems are shown."""

from __future__ import annotations

from kprov.remote.rules import (
    capacity,
    clock,
    cluster,
    connection,
    container_runtime,
    identity,
    kernel,
    kubelet,
    limits,
    names,
    ports,
    system,
)
from kprov.remote.rules.rule import Rule

FAMILIES = (
    connection,
    cluster,
    container_runtime,
    identity,
    system,
    kernel,
    capacity,
    kubelet,
    limits,
    ports,
    names,
    clock,
)
RULES: tuple[Rule, ...] = tuple(rule for family in FAMILIES for rule in family.RULES)
