"""Asks every node for its files and running values, and a control plane for what the kubelets run with."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kprov.errors import Problem
from kprov.lint.answer import node
from kprov.lint.record import Node
from kprov.lint.wanted import SETTINGS
from kprov.remote.ask import ask
from kprov.remote.shell import Shell
from kprov.remote.state import Unreachable
from kprov.spec.cluster import ClusterSpec, Host

PACKAGE = "kprov.lint.node"
HOSTS_AT_ONCE = 50
NO_API = "the API server does not answer"


@dataclass(frozen=True)
class Looked:
    """nodes: of hosts that answered. problems: hosts that did not, and why running values are missing."""

    nodes: tuple[Node, ...]
    problems: tuple[Problem, ...] = ()


def look(spec: ClusterSpec, hosts: Sequence[Host], shell: Shell) -> Looked:
    """One SSH exec per host, one more on a control plane. Hosts and API servers that do not answer are problems."""
    with ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE, thread_name_prefix="lint") as pool:
        configurations = pool.submit(_configurations, spec, hosts, shell)
        local = pool.map(lambda host: _ask(host, shell, _question(host)), hosts)
        answers = dict(zip((host.name for host in hosts), local, strict=True))
        running = configurations.result()
    nodes, problems = [], []
    for host in hosts:
        answer = answers[host.name]
        if isinstance(answer, Unreachable):
            problems.append(Problem("error", answer.kind, answer.message, host=host.name, hint=answer.hint))
            continue
        nodes.append(node(host, answer, _of(host, running)))
        problems += [
            Problem("warning", "probe-incomplete", f"not everything could be read: {error}", host=host.name)
            for error in answer["errors"]
        ]
    if isinstance(running, str):
        hint = "inventory and files are judged all the same; `kprov status` says what is there"
        problems.append(
            Problem("warning", "api-unreachable", f"what kubelets run with is not known: {running}", hint=hint)
        )
    return Looked(tuple(nodes), tuple(problems))


def _question(host: Host) -> dict[str, Any]:
    variables = host.variables
    return {
        "bin_dir": str(variables["bin_dir"]),
        "image_root": str(variables["container_runtime_root"]),
        "settings": list(SETTINGS),
    }


def _configurations(spec: ClusterSpec, hosts: Sequence[Host], shell: Shell) -> dict[str, Any] | str:
    """Node to what configz.ask says of it, from the first control plane whose API server answers; else why not."""
    names = [host.name.lower() for host in hosts]
    why = []
    for control_plane in spec.group("kube_control_plane"):
        question = {"api_server_port": int(control_plane.variables["api_server_port"]), "nodes": names}
        answer = _ask(control_plane, shell, question)
        if isinstance(answer, Unreachable):
            why.append(f"{control_plane.name}: {answer.message}")
        elif "configz" in answer:
            found: dict[str, Any] = answer["configz"]
            return found
        else:
            why.append(f"{control_plane.name}: {answer['errors'][0].removeprefix('configz: ')}")
    return f"{NO_API} ({'; '.join(why)})"


def _of(host: Host, running: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(running, str):
        return {"config": None, "error": NO_API, "pod_cidr": None}
    found: dict[str, Any] = running[host.name.lower()]
    return found


def _ask(host: Host, shell: Shell, question: dict[str, Any]) -> dict[str, Any] | Unreachable:
    answer = ask(host, shell, question, PACKAGE)
    return answer if isinstance(answer, Unreachable) else answer.document
