"""Carries out a plan: locks, one ansible-playbook process, and a second one for the rest if a host took its play down.

Ansible ends a run when every host of a play has failed, even when later plays are about other hosts. A dead worker must
not keep the others waiting, so what is left is planned again without the failed hosts and run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.engine.events import Event
from kprov.engine.inventory import extra_vars, generated_inventory, joined
from kprov.engine.journal import Journal
from kprov.engine.lock import controller_lock
from kprov.engine.locked import LockedRun, run_locked
from kprov.engine.run import Outcome
from kprov.phases.catalog import PHASES
from kprov.phases.plan import Plan, Step
from kprov.remote.state import ProbeResult
from kprov.spec.cluster import ClusterSpec


@dataclass
class Converged:
    """The sum over the processes of one operation. held: hosts that were left alone because others failed, and why."""

    calls: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    failures: list[Event] = field(default_factory=list)
    warnings: list[Event] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    log: Path | None = None

    def add(self, outcome: Outcome) -> None:
        """Account for one process."""
        for host, calls in outcome.calls.items():
            self.calls[host] = self.calls.get(host, 0) + calls
        self.changed |= outcome.changed
        self.failures += outcome.failures
        self.warnings += outcome.warnings
        self.interrupted |= outcome.interrupted


@dataclass(frozen=True)
class Request:
    """What to carry out. replan: the plan without the hosts that have failed in this run.

    variables: what counts in this run whatever the inventory says; the plan was made with them.
    """

    operation: str
    spec: ClusterSpec
    states: Mapping[str, ProbeResult]
    replan: Callable[[Collection[str]], Plan]
    on_event: Callable[[Event], None]
    check: bool = False
    break_lock: bool = False
    accept_new_host_keys: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)


def converge(request: Request, plan: Plan) -> Converged:
    """Run the plan under the cluster's lock. Raises LockedError; a failed task is part of the answer."""
    done = Converged()
    with controller_lock(request.spec.name, request.operation):
        journal = Journal(request.spec.name, request.operation)
        done.log = journal.ansible_log
        try:
            _run_all(request, plan, journal, done)
        finally:
            journal.write("result.json", {"changed": sorted(done.changed), "module_calls": done.calls})
            journal.close()
    return done


def _run_all(request: Request, plan: Plan, journal: Journal, done: Converged) -> None:
    failed: set[str] = set()
    finished: set[tuple[str, str]] = set()
    while True:
        journal.write("plan.json", [vars(step) for step in plan.steps])
        outcome = _run_once(request, plan, journal)
        done.add(outcome)
        finished |= outcome.finished
        newly_failed = outcome.failed_hosts - failed
        failed |= newly_failed
        if done.interrupted or not newly_failed:
            return
        plan = _held(request, _rest(request.replan(failed), finished), done)
        if not plan.steps:
            return


def _rest(plan: Plan, finished: Collection[tuple[str, str]]) -> Plan:
    """The plan without what this run has finished: the probe it was made from is older than that."""
    steps = tuple(step for step in plan.steps if (step.phase, step.host) not in finished)
    return _with_steps(plan, steps)


def _held(request: Request, plan: Plan, done: Converged) -> Plan:
    """The plan without the nodes that work and would be next in a rolling phase that has failed: one is enough."""
    failed = {str(event.phase): str(event.host) for event in reversed(done.failures)}
    rolling = {phase.name for phase in PHASES if phase.rolling and phase.name in failed}
    held = [step for step in plan.steps if step.phase in rolling and joined(request.states.get(step.host))]
    for step in held:
        done.held[step.host] = f"{step.phase}: left as it is, because it failed on {failed[step.phase]}"
    return _with_steps(plan, tuple(step for step in plan.steps if step not in held))


def _with_steps(plan: Plan, steps: tuple[Step, ...]) -> Plan:
    return Plan(steps, plan.blocked, plan.unreachable, plan.first_control_plane, plan.fingerprints)


def _run_once(request: Request, plan: Plan, journal: Journal) -> Outcome:
    wanted = LockedRun(
        operation=request.operation,
        spec=request.spec,
        playbooks=[phase.name for phase in PHASES if plan.hosts_of(phase.name)],
        generated=generated_inventory(request.spec, request.states, plan),
        variables={**extra_vars(plan, request.states), **request.variables},
        lock_host=plan.first_control_plane,
        on_event=request.on_event,
        check=request.check,
        break_lock=request.break_lock,
        accept_new_host_keys=request.accept_new_host_keys,
    )
    return run_locked(wanted, journal)
