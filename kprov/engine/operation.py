"""A planned operation that is no phase of `up`: its playbooks in one ansible-playbook process, under the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.engine.events import Event
from kprov.engine.inventory import extra_vars, generated_inventory
from kprov.engine.journal import Journal
from kprov.engine.lock import controller_lock
from kprov.engine.locked import LOCK_SECONDS, LockedRun, run_locked
from kprov.engine.problems import phase_error
from kprov.engine.run import Outcome
from kprov.errors import Interrupted
from kprov.phases.cluster_home import find_home
from kprov.phases.plan import Plan
from kprov.remote.state import ProbeResult
from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class Operation:
    """What to run. name: as typed ("runtime-root migrate"); resume: what the user does after a failure.

    playbooks: names below playbooks/. variables: extra vars on top of kprov's own. fingerprints: host -> phase ->
    inputs, for the records of phases that run on the way. lock_seconds, makes_room: as LockedRun has them.
    """

    name: str
    playbooks: Sequence[str]
    spec: ClusterSpec
    states: Mapping[str, ProbeResult]
    variables: Mapping[str, Any]
    resume: str
    fingerprints: Mapping[str, Mapping[str, dict[str, Any]]] = field(default_factory=dict)
    break_lock: bool = False
    accept_new_host_keys: bool = False
    lock_seconds: int = LOCK_SECONDS
    makes_room: bool = False


def operate(operation: Operation, on_event: Callable[[Event], None]) -> tuple[Outcome, Path]:
    """(what came of it, Ansible's log). Raises LockedError, PhaseError for a failed task, Interrupted, AnsibleError."""
    spec = operation.spec
    with controller_lock(spec.name, operation.name):
        journal = Journal(spec.name, operation.name)
        try:
            outcome = _run(operation, journal, on_event)
            journal.write("result.json", {"changed": sorted(outcome.changed), "module_calls": outcome.calls})
        finally:
            journal.close()
    if outcome.interrupted:
        raise Interrupted("interrupted", hint=operation.resume)
    if outcome.failures:
        raise phase_error(outcome.failures, journal.ansible_log, operation.resume, operation=operation.name)
    return outcome, journal.ansible_log


def _run(operation: Operation, journal: Journal, on_event: Callable[[Event], None]) -> Outcome:
    plan = Plan((), (), {}, find_home(operation.spec, operation.states).host, operation.fingerprints)
    wanted = LockedRun(
        operation=operation.name,
        spec=operation.spec,
        playbooks=operation.playbooks,
        generated=generated_inventory(operation.spec, operation.states, plan),
        variables={**extra_vars(plan, operation.states), **operation.variables},
        lock_host=plan.first_control_plane,
        on_event=on_event,
        break_lock=operation.break_lock,
        accept_new_host_keys=operation.accept_new_host_keys,
        lock_seconds=operation.lock_seconds,
        makes_room=operation.makes_room,
    )
    return run_locked(wanted, journal)
