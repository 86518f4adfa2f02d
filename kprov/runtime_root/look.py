"""One SSH exec on the node whose runtime is to move."""

from __future__ import annotations

from kprov.errors import ConnectError
from kprov.remote.probe import find_python, read_answer
from kprov.remote.program import program
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
    done = connections.run(host, find_python(host.connection.python), program(question, PACKAGE), timeout=SECONDS)
    found = read_answer(host, done)
    if isinstance(found, Unreachable):
        raise ConnectError(f"{host.name}: {found.message}", hint=found.hint)
    return Look(host, found[1], move)
