"""Are the machines fit for what the inventory asks? Pure: what the probe found goes in, problems come out."""

from __future__ import annotations

from collections.abc import Mapping

from kprov.errors import Problem
from kprov.remote.rules import RULES
from kprov.remote.rules.rule import Machines, run
from kprov.remote.state import ProbeResult
from kprov.spec.cluster import ClusterSpec


def preflight(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> list[Problem]:
    """Every problem of every host at once, errors first. What to do about unreachable hosts is the caller's choice.

    Each rule is a row of docs/reference/preflight.md; the problem's code is the rule's id.
    """
    machines = Machines(spec, states)
    problems = [problem for rule in RULES for problem in run(rule, machines)]
    return sorted(problems, key=lambda problem: problem.severity != "error")
