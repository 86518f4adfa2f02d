"""One SSH exec on the node that needs room."""

from __future__ import annotations

from kprov.errors import ConnectError
from kprov.node_clean.seen import Seen, seen
from kprov.remote.ask import ask
from kprov.remote.shell import Shell
from kprov.remote.state import Unreachable
from kprov.spec.cluster import Host

PACKAGE = "kprov.node_clean.node"
SECONDS = 60.0  # disks that are full are slow, too


def look(host: Host, shell: Shell) -> Seen:
    """What lies on the host. Raises ConnectError."""
    question = {
        "runtime": str(host.variables["container_runtime"]),
        "bin_dir": str(host.variables["bin_dir"]),
    }
    answer = ask(host, shell, question, PACKAGE, timeout=SECONDS)
    if isinstance(answer, Unreachable):
        raise ConnectError(f"{host.name}: {answer.message}", hint=answer.hint)
    return seen(answer.document)
