"""Containers of this node's static pods, through crictl: which there are, and what one said last."""

from __future__ import annotations

import json
import subprocess

from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeadm_steps import COMPONENTS

DEADLINE = 30
TAIL = 10
WIDTH = 400  # a line of klog with an object in it can be pages long


def containers(crictl: list[str], *arguments: str) -> dict[str, dict]:
    """Component to its newest container, as `crictl ps` shows it. crictl: the command; StepError if it fails."""
    try:
        listed = json.loads(_output([*crictl, "ps", *arguments, "-o", "json"], subprocess.DEVNULL))["containers"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise StepError(f"crictl gives no list of containers: {error}") from error
    found: dict[str, dict] = {}
    for container in sorted(listed, key=lambda c: int(c["createdAt"])):
        if container["metadata"]["name"] in COMPONENTS:
            found[container["metadata"]["name"]] = container
    return found


class Crashes:
    """How often a component's container has ended by itself since some time (seconds, epoch); look often."""

    def __init__(self, crictl: list[str], component: str, since: float) -> None:
        self._crictl = crictl
        self._component = component
        self._since = since
        self._first: int | None = None

    def count(self) -> int:
        """The kubelet numbers the attempts of a pod; a manifest that was tried before goes on with its numbers."""
        container = containers(self._crictl, "-a").get(self._component)
        if container is None or int(container["createdAt"]) < self._since * 1e9:
            return 0
        attempt = int(container["metadata"]["attempt"])
        self._first = attempt if self._first is None else self._first
        return attempt - self._first + (container["state"] == "CONTAINER_EXITED")


def last_words(crictl: list[str], component: str, since: float) -> str | None:
    """End of the log of a component's newest container; None if none was made since then (seconds, epoch)."""
    container = containers(crictl, "-a").get(component)
    if container is None or int(container["createdAt"]) < since * 1e9:
        return None
    try:
        said = _output([*crictl, "logs", f"--tail={TAIL}", container["id"]], subprocess.STDOUT)
    except (OSError, subprocess.SubprocessError) as error:
        return f"(crictl gives no log: {error})"
    return "\n".join(line[:WIDTH] for line in said.strip().splitlines())


def _output(command: list[str], stderr: int) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, timeout=DEADLINE, check=True
    )
    return done.stdout.decode(errors="replace")
