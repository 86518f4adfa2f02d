"""The static pods of a control plane: what their manifests say, their containers, restarting one gracefully.

Works on any kubeadm node: kprov's, or one whose tools and sockets lie where a distribution puts them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from dataclasses import dataclass

from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real

MANIFESTS = "/etc/kubernetes/manifests"
BIN_DIRS = ("/usr/local/bin", "/usr/bin", "/opt/bin", "/usr/sbin", "/bin")
POLL = 0.2
CRICTL_SECONDS = 30.0

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
    """created: seconds since the epoch."""

    id: str
    name: str
    created: float
    running: bool


@dataclass(frozen=True)
class StaticPod:
    """A manifest. name: of its container, as of the file; text: of the manifest."""

    name: str
    text: str

    def flag(self, name: str) -> str | None:
        """Value of a command-line flag; None if it is not there."""
        found = re.search(rf"--{name}=([^\s\"']+)", self.text)
        return found.group(1) if found else None

    def mounts(self, path: str) -> bool:
        """Whether the pod has exactly this file of the node."""
        return re.search(rf"^\s*path:\s*[\"']?{re.escape(path)}[\"']?\s*$", self.text, re.MULTILINE) is not None


def pods() -> dict[str, StaticPod]:
    """Name to static pod."""
    found = {}
    try:
        names = sorted(os.listdir(real(MANIFESTS)))
    except FileNotFoundError:
        return {}
    for file in names:
        name, suffix = os.path.splitext(file)
        if suffix in (".yaml", ".yml", ".json") and not file.startswith("."):
            with open(real(f"{MANIFESTS}/{file}"), encoding="utf-8") as manifest:
                found[name] = StaticPod(name, manifest.read())
    return found


def pki_directory(found: dict[str, StaticPod]) -> str:
    """kubeadm's certificatesDir: where the API server has its CA."""
    api = found.get("kube-apiserver")
    return os.path.dirname((api and api.flag("client-ca-file")) or "/etc/kubernetes/pki/ca.crt")


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


class Containers:
    """The containers of this node, through crictl."""

    def __init__(self, bin_dir: str) -> None:
        self._command = [find_program("crictl", bin_dir), "--runtime-endpoint", runtime_endpoint()]

    def newest(self, name: str) -> Container | None:
        """The running container of that name, else the one made last; None if there is none. Raises StepError."""
        listed = json.loads(self._run("ps", "-a", "--name", f"^{re.escape(name)}$", "-o", "json"))["containers"]
        found = [
            Container(c["id"], name, int(c["createdAt"]) / 1e9, c["state"] == "CONTAINER_RUNNING")
            for c in listed or ()
            if c["metadata"]["name"] == name
        ]
        return max(found, key=lambda container: (container.running, container.created), default=None)

    def restart(self, name: str, since: float, deadline: float) -> str:
        """Have the kubelet start the static pod's container anew; how it was done.

        Done when one runs that was made after `since` (seconds since the epoch). The container is stopped gracefully,
        nothing is moved away, so there is nothing to put back if this is cut short: the kubelet starts it again. A
        container that does not come back gets a new sandbox. Raises StepError with the end of its log.
        """
        old = self.newest(name)
        if old and old.running:
            self._run("stop", "--timeout", "30", old.id, timeout=60)
        if self._comes(name, since, deadline):
            return "container restarted"
        for pod in json.loads(self._run("pods", "--name", f"^{re.escape(name)}-", "-o", "json"))["items"] or ():
            self._run("stopp", pod["id"], timeout=60)
            self._run("rmp", "-f", pod["id"], timeout=60)
        if self._comes(name, since, deadline):
            return "pod recreated"
        raise StepError(f"the kubelet did not start {name} again within {deadline:g} s; {self.log_tail(name)}")

    def log_tail(self, name: str, lines: int = 8) -> str:
        """What the container said last."""
        container = self.newest(name)
        if container is None:
            return "it has no container; look at `journalctl -u kubelet`"
        try:
            said = self._run("logs", "--tail", str(lines), container.id).strip()
        except StepError as error:
            return f"its log cannot be read: {error}"
        return f"it said last:\n{said}"

    def _comes(self, name: str, since: float, deadline: float) -> bool:
        end = time.monotonic() + deadline
        while True:
            container = self.newest(name)
            if container and container.running and container.created > since:
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(POLL)

    def _run(self, *arguments: str, timeout: float = CRICTL_SECONDS) -> str:
        what = " ".join(("crictl", *arguments[:2]))
        try:
            done = subprocess.run(
                [*self._command, *arguments], capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise StepError(f"{what} did not end within {timeout:g} s") from None
        if done.returncode != 0:
            raise StepError(f"{what}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout if arguments[0] != "logs" else done.stdout + done.stderr
