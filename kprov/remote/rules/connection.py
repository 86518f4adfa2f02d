"""Hosts that gave no state. The problem's code is the kind: unreachable, auth, host-key, sudo, python, probe."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machines, Rule, Say
from kprov.remote.state import Unreachable


def _of_kind(machines: Machines, say: Say) -> Iterator[Problem]:
    """A control plane is needed: without it kprov does not know whether there is a cluster. A worker is left out."""
    for host in machines.spec.hosts:
        result = machines.results.get(host.name)
        if isinstance(result, Unreachable) and result.kind == say.id:
            make = say.error if "kube_control_plane" in host.groups else say.warning
            yield make(host.name, result.message, result.hint)


def _incomplete(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        for error in machine.state.errors:
            if not error.startswith("nameservers:"):  # resolver-loopback speaks of it
                yield say.warning(machine.name, f"the probe could not read everything: {error}")


KINDS = ("unreachable", "auth", "host-key", "sudo", "python", "probe")
RULES = (*(Rule(kind, _of_kind) for kind in KINDS), Rule("probe-incomplete", _incomplete))
