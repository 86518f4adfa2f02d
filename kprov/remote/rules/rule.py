"""What a preflight rule is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from kprov.errors import Problem, Severity
from kprov.remote.state import HostState, ProbeResult
from kprov.spec.cluster import ClusterSpec, Host

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """A host that answered."""

    host: Host
    state: HostState

    @property
    def name(self) -> str:
        """As in the inventory."""
        return self.host.name

    @property
    def control_plane(self) -> bool:
        """Whether the inventory makes it a control plane."""
        return "kube_control_plane" in self.host.groups

    def ignores(self, check: str) -> bool:
        """Whether the user told kubeadm to take this check's errors for warnings; kprov then does the same."""
        return check in self.host.variables["kubeadm_ignore_preflight_errors"]


@dataclass(frozen=True)
class Machines:
    """All that rules can look at. `all`: hosts that answered, in the order of the inventory."""

    spec: ClusterSpec
    results: Mapping[str, ProbeResult]

    @cached_property
    def all(self) -> tuple[Machine, ...]:
        """Hosts that answered."""
        found = ((host, self.results.get(host.name)) for host in self.spec.hosts)
        return tuple(Machine(host, state) for host, state in found if isinstance(state, HostState))

    @cached_property
    def new(self) -> tuple[Machine, ...]:
        """Hosts that have not joined a cluster yet: what they lack must be said before, and is noise afterwards."""
        return tuple(machine for machine in self.all if not machine.state.cluster.joined)


@dataclass(frozen=True)
class Rule:
    """id: the problem's code and the anchor in docs/reference/preflight.md; check: yields what is wrong."""

    id: str
    check: Callable[[Machines, Say], Iterator[Problem]]


@dataclass(frozen=True)
class Say:
    """Makes the problems of one rule."""

    id: str

    def error(self, host: str | None, message: str, hint: str | None = None) -> Problem:
        """Stops before any change."""
        return Problem("error", self.id, message, host=host, hint=hint)

    def warning(self, host: str | None, message: str, hint: str | None = None) -> Problem:
        """Is listed and stops nothing."""
        return Problem("warning", self.id, message, host=host, hint=hint)

    def unless(self, ignored: bool, host: str, message: str, hint: str | None = None) -> Problem:
        """An error, or a warning if the user has said to ignore it."""
        severity: Severity = "warning" if ignored else "error"
        return Problem(severity, self.id, message, host=host, hint=hint)


def run(rule: Rule, machines: Machines) -> list[Problem]:
    """What the rule finds."""
    return list(rule.check(machines, Say(rule.id)))


def gib(size: float) -> str:
    """Bytes for people: "3.4 GiB"."""
    return f"{size / GIB:.1f} GiB"
