"""A lab cluster as the tests see it: the command line, as a user would type, and SSH, to see what nodes really are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kprov.certs.node.components import STATIC_PODS

API = "/etc/kubernetes/manifests/kube-apiserver.yaml"
BEFORE_KUBEADM = ("os", "container_runtime", "kubernetes", "kubelet")  # what a person would have done by hand
READY = "/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz"


@dataclass(frozen=True)
class Completed:
    """A kprov command that ended. data: the `data` of its JSON envelope."""

    exit_code: int
    envelope: dict[str, Any]
    stderr: str

    @property
    def data(self) -> dict[str, Any]:
        return self.envelope["data"]


def kprov(*arguments: str, timeout: float = 600) -> Completed:
    """Run a kprov command with -o json."""
    argv = [sys.executable, "-m", "kprov", *arguments, "-o", "json"]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
    try:
        envelope = json.loads(run.stdout)
    except ValueError:
        raise AssertionError(f"{argv} printed no JSON (exit {run.returncode}):\n{run.stdout}\n{run.stderr}") from None
    return Completed(run.returncode, envelope, run.stderr)


@dataclass(frozen=True)
class LabCluster:
    """A lab and what runs in it."""

    name: str
    inventory: Path

    def kprov(self, verb: str, *arguments: str, timeout: float = 600) -> Completed:
        """A kprov command on this cluster."""
        return kprov(verb, str(self.inventory), *arguments, timeout=timeout)

    def certs(self, verb: str, *arguments: str) -> Completed:
        """`kprov certs VERB` on this cluster."""
        return kprov("certs", *verb.split(), str(self.inventory), *arguments)

    def up(self, *arguments: str) -> Completed:
        """`kprov up --yes`; fails the test with everything it said when it does not end well."""
        done = self.kprov("up", "--yes", *arguments)
        assert done.exit_code == 0, done.stderr
        return done

    def prepare(self) -> None:
        """Everything up to kubeadm, which is then run in another way than kprov's."""
        self.up("--no-verify", *(word for phase in BEFORE_KUBEADM for word in ("--only", phase)))

    def node(self, short: str) -> str:
        """Full name of a node: "cp1" -> "<lab>-cp1"."""
        return f"{self.name}-{short}"

    def ssh(self, short: str, command: str, check: bool = True) -> str:
        """Run a shell command as root on a node, over SSH; returns its stdout."""
        argv = [sys.executable, "-m", "kprov", "lab", "ssh", self.name, self.node(short), "--", "sudo", "sh", "-c"]
        run = subprocess.run(
            [*argv, _quote(command)], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )
        assert not check or run.returncode == 0, f"{short}: {command}: {run.stderr}"
        return run.stdout

    def kubectl(self, *arguments: str, node: str = "cp1") -> str:
        """kubectl with the admin kubeconfig on a control plane."""
        command = " ".join(_quote(a) for a in arguments)
        return self.ssh(node, f"/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf {command}")

    def static_pods(self, short: str = "cp1") -> dict[str, str]:
        """Component to the id of its running container: what a restart changes. Other pods come when they come."""
        listed = json.loads(self.ssh(short, "crictl ps -o json"))["containers"]
        ids = {container["metadata"]["name"]: container["id"] for container in listed}
        return {name: ids[name] for name in STATIC_PODS if name in ids}

    def snapshot(self, *nodes: str) -> dict[str, str]:
        """What must not change on a node that is not touched: hashes of files, PIDs, container ids."""
        return {node: self.ssh(node, FILES + PROCESSES) for node in nodes}

    def files(self, *nodes: str) -> dict[str, str]:
        """The part of a snapshot that a node without Kubernetes has, too."""
        return {node: self.ssh(node, FILES) for node in nodes}


FILES = """
find /etc /usr/local/bin /opt/cni /var/lib/kprov -xdev -type f ! -name mtab ! -path '*/etc/cni/net.d/*' \
  ! -path /var/lib/kprov/lock.json ! -path /var/lib/kprov/certs-check.json \
  ! -path '/var/lib/kprov/units/*' -exec sha256sum {} + 2>/dev/null | sort -k2
"""
PROCESSES = """
for unit in containerd kubelet; do systemctl show -p MainPID -p InvocationID $unit; done
crictl ps --no-trunc -q | sort
"""


def another_inventory(lab: LabCluster, directory: Path, **variables: str) -> Path:
    """The lab's inventory with other variables for all hosts; group_vars come along."""
    text = lab.inventory.read_text()
    lines = [line for line in text.splitlines() if line.partition("=")[0] not in variables]
    (directory / "inventory.ini").write_text("\n".join([*lines, *(f"{k}={v}" for k, v in variables.items())]) + "\n")
    (directory / "group_vars").symlink_to(lab.inventory.parent / "group_vars")
    return directory / "inventory.ini"


def _quote(text: str) -> str:
    import shlex

    return shlex.quote(text)


def running_labs() -> list[str]:
    """Names of the labs on this machine."""
    return [lab["name"] for lab in kprov("lab", "status").data["labs"]]


def lab_name(purpose: str) -> str:
    """A name that no other test run on this machine uses."""
    return f"t{os.getpid() % 100000}-{purpose}"


def change(lab: LabCluster, **variables: Any) -> dict[str, Any]:
    """Set variables of all hosts; what they were before."""
    file = lab.inventory.parent / "group_vars" / "all.yml"
    before: dict[str, Any] = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**before, **variables}))
    return before


def wait_until(what: str, true: Callable[[], bool], seconds: float = 120) -> None:
    """Look twice a second until it is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.5)  # poll interval
