"""One SSH exec on the node whose runtime is to move."""

from __future__ import annotations

from kprov.errors import ConnectError
from kprov.remote.ask import ask
from kprov.remote.ssh import Connections
from kprov.remote.state import RuntimeRootMove, Unreachable
from kprov.runtime_root.judge import Look
from kprov.spec.cluster import Host

PACKAGE = "kprov.runtime_root.node"
SECONDS = 60.0


def look(host: Host, move: RuntimeRootMove | None, connections: Connections) -> Look:
    """move: the one that the probe has found there. Raises ConnectError."""
    question = {
        "runtime": str(host.variables["container_runtime"]),
        "bin_dir": str(host.variables["bin_dir"]),
        "target": move.new if move else str(host.variables["container_runtime_root"]),
    }
    answer = ask(host, connections, question, PACKAGE, timeout=SECONDS)
    if isinstance(answer, Unreachable):
        raise ConnectError(f"{host.name}: {answer.message}", hint=answer.hint)
    return Look(host, answer.document, move)
