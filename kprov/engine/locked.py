"""Playbooks between the cluster's lock and its release: what every operation that changes a cluster has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kprov.engine.events import Event
from kprov.engine.journal import Journal
from kprov.engine.lock import holder
from kprov.engine.paths import controller_id
from kprov.engine.run import AnsibleRun, Outcome, run_ansible
from kprov.errors import AnsibleError, LockedError
from kprov.spec.cluster import ClusterSpec

LOCK_SECONDS = 2 * 60 * 60  # how long a cluster's lock outlives a controller that vanished


@dataclass(frozen=True)
class LockedRun:
    """playbooks: names below `playbooks/`. generated: inventory beside the user's; variables: for the whole run.

    lock_host: the control plane that holds the lock; None: there is no cluster yet, so there is nothing to lock.
    lock_seconds: how long the lock outlives a controller that vanished; no less than the run may take. makes_room: goes
    on without the lock's file where the disk is full.
    """

    operation: str
    spec: ClusterSpec
    playbooks: Sequence[str]
    generated: Mapping[str, Any]
    variables: Mapping[str, Any]
    lock_host: str | None
    on_event: Callable[[Event], None]
    check: bool = False
    break_lock: bool = False
    accept_new_host_keys: bool = False
    lock_seconds: int = LOCK_SECONDS
    makes_room: bool = False


def run_locked(wanted: LockedRun, journal: Journal) -> Outcome:
    """Run the playbooks; a failed task is part of the answer.

    Raises LockedError when another controller has the lock, AnsibleError when Ansible itself ended without a reason.
    """
    lock = {
        "run_id": journal.run_id,
        "controller_id": controller_id(),
        "holder": holder(),
        "operation": wanted.operation,
        "expires_in": wanted.lock_seconds,
        "break_lock": wanted.break_lock,
        "makes_room": wanted.makes_room,
    }
    # A check changes nothing on a node, so it neither needs nor takes the lock there.
    locked = wanted.lock_host is not None and not wanted.check

    def on_event(event: Event) -> None:
        journal.event(event)
        wanted.on_event(event)

    run = AnsibleRun(
        playbooks=[*(["lock"] if locked else []), *wanted.playbooks, *(["unlock"] if locked else [])],
        user_inventory=wanted.spec.inventory,
        generated=wanted.generated,
        variables={**wanted.variables, "lock_host": wanted.lock_host, "kprov_lock": lock},
        log=journal.ansible_log,
        check=wanted.check,
        accept_new_host_keys=wanted.accept_new_host_keys,
    )
    outcome = run_ansible(run, on_event)
    refused = next((event for event in outcome.failures if event.locked), None)
    if refused:
        hint = "--break-lock takes the lock if its holder is gone"
        raise LockedError(refused.msg or "the cluster is in use", hint=hint)
    if outcome.exit_code and not outcome.failures and not outcome.interrupted:
        raise AnsibleError(outcome.exit_code, journal.ansible_log)
    if locked and outcome.failures and not outcome.interrupted:
        run_ansible(replace(run, playbooks=["unlock"]), on_event)  # the failed run ended before its own unlock
    return outcome
