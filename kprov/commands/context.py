"""What the commands that look at a cluster share: load the inventory, probe the hosts, judge what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from kprov.errors import ConnectError, InputError, PreflightError, Problem
from kprov.remote.state import ProbeResult, Unreachable
from kprov.spec.cluster import ClusterSpec
from kprov.ui.progress import NoProgress, Progress


@dataclass(frozen=True)
class Options:
    """What every cluster command can be told about hosts and output."""

    inventory: Path | None = None
    accept_new_host_keys: bool = False
    limit: tuple[str, ...] = ()
    progress: Progress = field(default_factory=NoProgress)


@dataclass(frozen=True)
class Observed:
    """The wish and the reality, with every warning on the way."""

    spec: ClusterSpec
    states: Mapping[str, ProbeResult]
    warnings: Sequence[Problem]


def observe(options: Options) -> Observed:
    """Load the inventory and probe its hosts; unreachable hosts are part of the answer. Raises InputError."""
    from kprov.remote.probe import probe
    from kprov.spec.load import load

    loaded = load(options.inventory)
    refuse_strangers(loaded.spec, options.limit)
    states = probe(loaded.spec.hosts, accept_new_host_keys=options.accept_new_host_keys)
    return Observed(loaded.spec, states, loaded.warnings)


def refuse_strangers(spec: ClusterSpec, names: Sequence[str], option: str = "--limit") -> None:
    """A misspelt name must not look like "nothing to do". option: what it was given with."""
    known = [host.name for host in spec.hosts]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its hosts: {', '.join(known[:10])}"
            raise InputError(f"{option} {name}: the inventory has no such host", hint=hint)


def judge(observed: Observed) -> Sequence[Problem]:
    """Preflight: raises with every error at once, returns the warnings, and the linter's about the inventory.

    Raises ConnectError when no host answered, PreflightError when machines that answered are not fit.
    """
    from kprov.lint.judge import of_inventory
    from kprov.remote.preflight import preflight

    problems = preflight(observed.spec, observed.states)
    if all(isinstance(s, Unreachable) for s in observed.states.values()):
        raise ConnectError("none of the hosts could be used", problems=problems, hint="nothing was changed")
    errors = [p for p in problems if p.severity == "error"]
    unfit = [p for p in errors if not isinstance(observed.states.get(p.host or ""), Unreachable)]
    if unfit:
        raise PreflightError(
            f"{len(unfit)} problem{'s' * (len(unfit) > 1)} found before any change",
            problems=problems,
            hint="nothing was changed",
        )
    return [*observed.warnings, *problems, *of_inventory(observed.spec, observed.states)]
