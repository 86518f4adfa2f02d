"""A planned operation that is no phase of `up`: its playbooks in one ansible-playbook process, under the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.engine.converge import LOCK_SECONDS
from kprov.engine.events import Event
from kprov.engine.inventory import extra_vars, generated_inventory
from kprov.engine.journal import Journal
from kprov.engine.lock import controller_lock, holder
from kprov.engine.paths import controller_id
from kprov.engine.run import AnsibleRun, Outcome, run_ansible
from kprov.errors import AnsibleError, Interrupted, LockedError, PhaseError
from kprov.phases.cluster_home import find_home
from kprov.phases.plan import Plan
from kprov.remote.state import ProbeResult
from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class Operation:
    """What to run. name: as typed ("runtime-root migrate"); resume: what the user does after a failure.

    playbooks: names below playbooks/. variables: extra vars on top of kprov's own. fingerprints: host -> phase ->
    inputs, for the records of phases that run on the way.
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


def operate(operation: Operation, on_event: Callable[[Event], None]) -> tuple[Outcome, Path]:
    """(what came of it, Ansible's log). Raises LockedError, PhaseError for a failed task, Interrupted, AnsibleError."""
    spec = operation.spec
    slug = operation.name.replace(" ", "-")
    with controller_lock(spec.name, operation.name):
        journal = Journal(spec.name, slug)
        try:
            outcome = _run(operation, journal, on_event)
            journal.write("result.json", {"changed": sorted(outcome.changed), "module_calls": outcome.calls})
        finally:
            journal.close()
    if outcome.interrupted:
        raise Interrupted("interrupted", hint=operation.resume)
    if outcome.failures:
        first = outcome.failures[0]
        raise PhaseError(
            phase=operation.name,
            host=first.host or "?",
            task=first.task or "?",
            said=first.msg or "(no message; see the log)",
            log=str(journal.ansible_log),
            hint=operation.resume,
        )
    if outcome.exit_code:
        raise AnsibleError(outcome.exit_code, journal.ansible_log)
    return outcome, journal.ansible_log


def _run(operation: Operation, journal: Journal, on_event: Callable[[Event], None]) -> Outcome:
    plan = Plan((), (), {}, find_home(operation.spec, operation.states).host, operation.fingerprints)
    lock = {
        "run_id": journal.run_id,
        "controller_id": controller_id(),
        "holder": holder(),
        "operation": operation.name,
        "expires_in": LOCK_SECONDS,
        "break_lock": operation.break_lock,
    }
    variables = {**extra_vars(plan, operation.states, lock), **operation.variables}

    def record(event: Event) -> None:
        journal.event(event)
        on_event(event)

    def run(playbooks: list[str]) -> Outcome:
        return run_ansible(
            AnsibleRun(
                playbooks=playbooks,
                user_inventory=operation.spec.inventory,
                generated=generated_inventory(operation.spec, operation.states, plan),
                variables=variables,
                log=journal.ansible_log,
                accept_new_host_keys=operation.accept_new_host_keys,
            ),
            record,
        )

    outcome = run(["lock", *operation.playbooks, "unlock"])
    refused = next((event for event in outcome.failures if event.locked), None)
    if refused:
        raise LockedError(
            refused.msg or "the cluster is in use", hint="--break-lock takes the lock if its holder is gone"
        )
    if outcome.failures and not outcome.interrupted:
        run(["unlock"])  # the failed run ended before its own unlock
    return outcome
