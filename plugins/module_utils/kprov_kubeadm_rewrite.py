"""Manifests under a control plane that works: changed one by one, and put back when a component is not healthy."""

from __future__ import annotations

import os
import time
from typing import Callable

from ansible.module_utils import kprov_kubeadm_wait as waits
from ansible.module_utils.kprov_containers import Containers, Crashes
from ansible.module_utils.kprov_kubeadm_previous import REWRITES, Previous
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError
from ansible.module_utils.kprov_kubeadm_steps import COMPONENTS, WAIT_CONTROL_PLANE, Step, Steps, manifest_path
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord

PART = "kprov_kubeadm"
CRASHES = 3  # the others are well: it is not waiting for one of them
WORKS_DEADLINE = 30  # a controller manager that has just lost its lease is back by then


class PutBack(StepError):
    """Changed manifests were not good and the previous ones are back; the message is for the user."""


class ControlPlane:
    """The static pods of this node. params: the module's."""

    def __init__(self, params: dict, state: Steps, runner: Runner) -> None:
        self._phase = params["phase"]
        self._address, self._port = params["node"].get("address"), int(params["node"].get("port") or 0)
        self._containers = Containers(
            [os.path.join(params["bin_dir"], "crictl"), "--runtime-endpoint", params["runtime"]]
        )
        self._deadline = params["health_deadline"]
        self._variables = params["variables"]
        self._state = state
        self._runner = runner
        self._previous = Previous(state)

    def healthy(self) -> str | None:
        """None when every static pod runs with its current manifest and answers."""
        return waits.control_plane_healthy(self._address, self._port, self._containers, self._previous.containers)

    def works(self, step: Step) -> bool:
        """Whether the step changes manifests under a control plane that works: there is something to go back to."""
        if step.name not in REWRITES:
            return False
        if self._previous:
            return True
        if not all(os.path.exists(real(manifest_path(component))) for component in REWRITES[step.name]):
            return False
        deadline = WORKS_DEADLINE if self._state.finished(WAIT_CONTROL_PLANE) else 0
        try:
            waits.wait("no answer", deadline, lambda: waits.answers(self._address, self._port))
        except StepError:
            return False
        return True

    def keep(self) -> None:
        """Keep the manifests of now and what is recorded of the steps, before a step begins."""
        running = self._containers.running(COMPONENTS)
        self._previous.keep({component: container.id for component, container in running.items()})

    def rewrite(self, step: Step, kubeadm: Callable[[Step], None]) -> None:
        """Run the step for one component after the other, each healthy before the next. Raises PutBack."""
        for component, phase in REWRITES[step.name].items():
            since = time.time()
            crashes = Crashes(self._containers, component, since)
            try:
                kubeadm(Step(phase, step.command, deadline=step.deadline))
                waits.wait(
                    f"{component} was changed, and the control plane was not healthy",
                    self._deadline,
                    lambda name=component, seen=crashes: self._healthy_or_crashing(name, seen),
                )
            except StepError as error:
                raise self._put_back(str(error), component, since) from error

    def _healthy_or_crashing(self, component: str, crashes: Crashes) -> str | None:
        """healthy(), but StepError as soon as it is plain that waiting does not help: the outage is short then."""
        problem = self.healthy()
        if problem and crashes.count() >= CRASHES:
            raise StepError(f"{component} was changed and ended by itself {CRASHES} times")
        return problem

    def wait(self, step: Step) -> None:
        """Wait until it is healthy; after changed manifests PutBack if it is not."""
        try:
            waits.wait("the control plane was not ready", step.deadline, self.healthy)
        except StepError as error:
            if not self._previous:
                raise
            problem = str(error)
            component = next((name for name in COMPONENTS if name in problem), "kube-apiserver")
            raise self._put_back(problem, component, 0) from error

    def proven(self) -> None:
        """It is healthy on the manifests of now: there is no need to go back any more."""
        self._previous.forget()

    def recover(self) -> list[str]:
        """After a run that was killed while it tried manifests: go back, unless it is healthy. What was changed."""
        if self._previous and self._previous.stale:
            self._previous.forget()
        if not self._previous or self.healthy() is None:
            return []
        PhaseRecord.open(self._phase, part=PART)
        changed = self._previous.put_back()
        try:
            waits.wait("the control plane was not healthy", self._deadline, self.healthy)
        except StepError:
            self._previous.forget()  # the manifests are not what ails it; the steps will say what does
        else:
            self._previous.healthy_again()
        return [f"previous manifest put back: {component}" for component in changed]

    def _put_back(self, problem: str, component: str, since: float) -> PutBack:
        """Go back to the previous manifests; the error that says so."""
        said = self._runner.scrub(self._containers.last_words(component, since))
        changed = self._previous.put_back()
        back = f"The previous manifest of {', '.join(changed)} is back" if changed else "No manifest had changed"
        try:
            waits.wait("the control plane was not healthy", self._deadline, self.healthy)
        except StepError as error:
            outcome = f"{back}, but {error}"
        else:
            self._previous.healthy_again()
            outcome = f"{back} and the API server answers. Nothing else was changed, no other control plane either."
        variable = self._variables.get(component)
        hint = f"Look at {variable}, correct it, run the same command again." if variable else ""
        return PutBack("\n".join(line for line in (problem, said, outcome, hint) if line))
