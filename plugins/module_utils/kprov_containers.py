"""Containers of this node's static pods, through crictl: which there are, what one said, starting one anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass

from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real

BIN_DIRS = ("/usr/local/bin", "/usr/bin", "/opt/bin", "/usr/sbin", "/bin")
POLL = 0.2
CRICTL_SECONDS = 30.0
STOP_SECONDS = 30  # what a container gets before it is killed: terminationGracePeriodSeconds of kubeadm's static pods
TAIL = 10
WIDTH = 400  # a line of klog with an object in it can be pages long

# Where a kubelet is told its runtime: its configuration, kubeadm's files beside it.
ENDPOINTS = (
    ("/var/lib/kubelet/instance-config.yaml", r"^containerRuntimeEndpoint:\s*[\"']?(\S+?)[\"']?\s*$"),
    ("/var/lib/kubelet/config.yaml", r"^containerRuntimeEndpoint:\s*[\"']?(\S+?)[\"']?\s*$"),
    ("/var/lib/kubelet/kubeadm-flags.env", r"--container-runtime-endpoint=([^\s\"']+)"),
    ("/etc/crictl.yaml", r"^runtime-endpoint:\s*[\"']?(\S+?)[\"']?\s*$"),
)
SOCKETS = ("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock")


@dataclass(frozen=True)
class Container:
    """created: seconds since the epoch; attempt: the kubelet's number of it within its pod, from 0."""

    id: str
    name: str
    created: float
    attempt: int
    running: bool
    exited: bool


class Containers:
    """The containers of this node. crictl: the command with its endpoint. Everything raises StepError."""

    def __init__(self, crictl: list[str]) -> None:
        self._command = crictl

    def running(self, names: Collection[str]) -> dict[str, Container]:
        """Name to the container that runs, of those names that have one."""
        return {name: container for name, container in self._newest("--state", "running").items() if name in names}

    def last(self, name: str) -> Container | None:
        """The container of that name that was made last, whether it runs or not."""
        return self._newest("-a", "--name", f"^{re.escape(name)}$").get(name)

    def restart(self, name: str, since: float, deadline: float) -> str:
        """Have the kubelet start the static pod's container anew; how it was done.

        Done when one runs that was made after `since` (seconds since the epoch). The container is stopped gracefully,
        nothing is moved away, so there is nothing to put back if this is cut short: the kubelet starts it again. A
        container that does not come back gets a new sandbox. The error has the end of its log.
        """
        old = self.running((name,)).get(name)
        if old:
            self._run("stop", "--timeout", str(STOP_SECONDS), old.id, timeout=2 * STOP_SECONDS)
        if self._comes(name, since, deadline):
            return "container restarted"
        for pod in json.loads(self._run("pods", "--name", f"^{re.escape(name)}-", "-o", "json"))["items"] or ():
            self._run("stopp", pod["id"], timeout=2 * STOP_SECONDS)
            self._run("rmp", "-f", pod["id"], timeout=2 * STOP_SECONDS)
        if self._comes(name, since, deadline):
            return "pod recreated"
        raise StepError(f"the kubelet did not start {name} again within {deadline:g} s; {self.last_words(name)}")

    def last_words(self, name: str, since: float = 0.0) -> str:
        """The end of the log of the container that was made last, or why there is none. Raises nothing.

        since: seconds since the epoch; an older container does not count.
        """
        try:
            container = self.last(name)
            if container is None or container.created < since:
                return f"no container of {name} was started; `journalctl -u kubelet` may say why"
            said = self._run("logs", f"--tail={TAIL}", container.id)
        except StepError as error:
            return f"the log of {name} cannot be read: {error}"
        return f"{name} said last:\n" + "\n".join(line[:WIDTH] for line in said.strip().splitlines())

    def _newest(self, *arguments: str) -> dict[str, Container]:
        try:
            listed = json.loads(self._run("ps", *arguments, "-o", "json"))["containers"] or ()
            found = [_container(each) for each in listed]
        except (ValueError, KeyError) as error:
            raise StepError(f"crictl gives no list of containers: {error}") from error
        return {container.name: container for container in sorted(found, key=lambda each: each.created)}

    def _comes(self, name: str, since: float, deadline: float) -> bool:
        end = time.monotonic() + deadline
        while True:
            container = self.running((name,)).get(name)
            if container and container.created > since:
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(POLL)

    def _run(self, *arguments: str, timeout: float = CRICTL_SECONDS) -> str:
        what = " ".join(("crictl", *arguments[:2]))
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepError(f"{what} did not end within {timeout:g} s") from None
        except OSError as error:
            raise StepError(f"{what}: {error}") from error
        if done.returncode != 0:
            raise StepError(f"{what}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout if arguments[0] != "logs" else done.stdout + done.stderr


class Crashes:
    """How often a component's container has ended by itself since some time (seconds, epoch); look often."""

    def __init__(self, containers: Containers, component: str, since: float) -> None:
        self._containers = containers
        self._component = component
        self._since = since
        self._first: int | None = None

    def count(self) -> int:
        """The kubelet numbers the attempts of a pod; a manifest that was tried before goes on with its numbers."""
        container = self._containers.last(self._component)
        if container is None or container.created < self._since:
            return 0
        self._first = container.attempt if self._first is None else self._first
        return container.attempt - self._first + container.exited


def containers_of_node(bin_dir: str) -> Containers:
    """The containers of any kubeadm node, wherever its crictl and the runtime's socket lie. Raises StepError."""
    return Containers([find_program("crictl", bin_dir), "--runtime-endpoint", runtime_endpoint()])


def find_program(name: str, bin_dir: str = "") -> str:
    """Path of a program of Kubernetes on this node. Raises StepError."""
    for directory in (bin_dir, *BIN_DIRS):
        path = os.path.join(directory, name)
        if directory and os.access(real(path), os.X_OK):
            return path
    raise StepError(f"{name} is not on this node (looked in {bin_dir or 'bin_dir'}, {', '.join(BIN_DIRS)})")


def runtime_endpoint() -> str:
    """The socket of the runtime that the kubelet uses. Raises StepError."""
    for path, pattern in ENDPOINTS:
        try:
            with open(real(path), encoding="utf-8") as file:
                found = re.search(pattern, file.read(), re.MULTILINE)
        except FileNotFoundError:
            continue
        if found:
            return found.group(1)
    for socket in SOCKETS:
        if os.path.exists(real(socket)):
            return f"unix://{socket}"
    raise StepError(f"the socket of the container runtime is in none of {', '.join(path for path, _ in ENDPOINTS)}")


def _container(listed: dict) -> Container:
    """One of what `crictl ps -o json` lists."""
    return Container(
        id=listed["id"],
        name=listed["metadata"]["name"],
        created=int(listed["createdAt"]) / 1e9,
        attempt=int(listed["metadata"].get("attempt") or 0),
        running=listed["state"] == "CONTAINER_RUNNING",
        exited=listed["state"] == "CONTAINER_EXITED",
    )
