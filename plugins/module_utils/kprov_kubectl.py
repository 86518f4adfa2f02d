"""kubectl on a control plane, with the administrator's kubeconfig and deadlines."""

from __future__ import annotations

import json
import os
import subprocess
import time

KUBECONFIG = "/etc/kubernetes/admin.conf"
POLL = 1.0


class KubectlError(Exception):
    """kubectl failed, or what was waited for did not come; the message is for the user."""


class Kubectl:
    """Runs kubectl."""

    def __init__(self, bin_dir: str) -> None:
        self._command = [os.path.join(bin_dir, "kubectl"), "--kubeconfig", KUBECONFIG]

    def has_cluster(self) -> bool:
        """False on a node where kubectl or the administrator's kubeconfig is not there yet."""
        return os.path.exists(self._command[0]) and os.path.exists(KUBECONFIG)

    def run(self, *arguments: str, stdin: str = "", timeout: float = 60) -> str:
        """Output of kubectl; KubectlError with what it said if it fails."""
        what = " ".join(["kubectl", *arguments])
        try:
            done = subprocess.run(
                [*self._command, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"{what} did not end within {timeout:g} s") from None
        except FileNotFoundError as error:
            raise KubectlError(f"{self._command[0]} is not installed (phase kubernetes)") from error
        if done.returncode != 0:
            raise KubectlError(f"{what}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def json(self, *arguments: str, stdin: str = "", timeout: float = 60) -> dict:
        """What kubectl prints with -o json; {} if that is nothing (--ignore-not-found)."""
        output = self.run(*arguments, "-o", "json", stdin=stdin, timeout=timeout)
        return json.loads(output) if output.strip() else {}

    def wait_ready(self, deadline: float) -> None:
        """Wait until the API server is ready and knows us: readyz alone also answers people with no rights."""
        end = time.monotonic() + deadline
        while True:
            try:
                self.run("get", "--raw", "/readyz", "--request-timeout=5s", timeout=15)
                self.run("get", "namespace", "kube-system", "-o", "name", "--request-timeout=5s", timeout=15)
                return
            except KubectlError as error:
                if time.monotonic() >= end:
                    raise KubectlError(f"the API server was not ready within {deadline:g} s: {error}") from error
            time.sleep(POLL)
