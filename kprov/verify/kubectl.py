"""kubectl on a control plane, through SSH."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from kprov.errors import CheckError, ConnectError, Problem
from kprov.remote.dialogue import Completed
from kprov.remote.shell import Shell
from kprov.spec.cluster import ClusterSpec, Host

ADMIN_CONF = "/etc/kubernetes/admin.conf"
ANSWER_SECONDS = 10  # what an API server gets for one answer
NOT_FOUND = 127  # exit code of a shell that does not find the command
GRACE_SECONDS = 15.0  # for SSH and for kubectl itself, on top


class Kubectl:
    """kubectl as the cluster's admin, asking the API server of one control plane."""

    def __init__(self, shell: Shell, host: Host) -> None:
        self.shell = shell
        self.host = host

    @property
    def argv(self) -> list[str]:
        """The command without its verb. It asks the host's own API server: the first control plane may be dead."""
        server = f"https://{_bracketed(self.host.ip)}:{self.host.variables['api_server_port']}"
        return [f"{self.host.variables['bin_dir']}/kubectl", "--kubeconfig", ADMIN_CONF, "--server", server]

    def run(self, *arguments: str, stdin: str = "", seconds: float = ANSWER_SECONDS) -> Completed:
        """The command that ended, whatever it said."""
        argv = [*self.argv, f"--request-timeout={seconds:.0f}s", *arguments]
        return self.shell.run(self.host, shlex.join(argv), stdin, timeout=seconds + GRACE_SECONDS)

    def call(self, *arguments: str, stdin: str = "", seconds: float = ANSWER_SECONDS) -> str:
        """stdout; CheckError with what kubectl said when it fails."""
        done = self.run(*arguments, stdin=stdin, seconds=seconds)
        if done.exit_code != 0:
            raise CheckError(f"kubectl {' '.join(arguments[:2])} on {self.host.name}: {last_line(done)}")
        return done.stdout

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """Items of `kubectl get ... -o json`."""
        items = json.loads(self.call("get", *arguments, "-o", "json"))["items"]
        return list(items)


def find_api(spec: ClusterSpec, shell: Shell) -> Kubectl:
    """kubectl on the first control plane whose API server answers. CheckError says what each of them said."""
    problems = []
    there_is_none = True  # no control plane has so much as a kubectl
    for host in spec.group("kube_control_plane"):
        kubectl = Kubectl(shell, host)
        try:
            done = kubectl.run("get", "--raw", "/readyz")
        except ConnectError as error:
            problems.append(Problem("error", "host-unreachable", error.message, host=host.name, hint=error.hint))
            there_is_none = False
            continue
        if done.exit_code == 0:
            return kubectl
        message = f"the API server does not answer: {last_line(done)}"
        problems.append(Problem("error", "api-unreachable", message, host=host.name))
        there_is_none = there_is_none and done.exit_code == NOT_FOUND
    if there_is_none:
        raise CheckError("there is no cluster here yet", problems=problems, hint="make it with `kprov up`")
    raise CheckError(
        "no control plane has an API server that answers, so nothing could be checked",
        problems=problems,
        hint="`kprov status` works without it; `crictl ps -a` and `journalctl -u kubelet` on a control plane say why",
    )


def last_line(done: Completed) -> str:
    """What a failed kubectl said, in one line: the last of stderr, where its own message is."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {done.exit_code} and no message"


def bracketed_url(address: str, port: int, path: str = "/") -> str:
    """http URL of an IPv4 or IPv6 address."""
    return f"http://{_bracketed(address)}:{port}{path}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def joined(words: Sequence[str]) -> str:
    """Names for a sentence; many become a few and a number."""
    shown = ", ".join(words[:8])
    return shown if len(words) <= 8 else f"{shown} and {len(words) - 8} more"
