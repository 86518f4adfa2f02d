"""Ports that a node will listen on, taken by somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say

OURS = frozenset(
    {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kubelet", "kube-proxy", "containerd"}
)
NODE = {10250: "the kubelet", 10256: "kube-proxy"}
CONTROL_PLANE = {2379: "etcd", 2380: "etcd", 10257: "kube-controller-manager", 10259: "kube-scheduler"}


def needed(machine: Machine) -> dict[int, str]:
    """Port to who will listen on it."""
    ports = dict(NODE)
    if machine.control_plane:
        ports |= {int(machine.host.variables["api_server_port"]): "kube-apiserver", **CONTROL_PLANE}
    return ports


def _taken(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        ports = needed(machine)
        seen = set()
        for listener in machine.state.listeners:
            ours = listener.process in OURS and machine.state.phases  # an earlier run did not get to the end
            if listener.port not in ports or listener.port in seen or ours:
                continue
            seen.add(listener.port)
            who = f"{listener.process or 'a process'} (pid {listener.pid})" if listener.pid else "an unknown process"
            yield say.unless(
                machine.ignores(f"Port-{listener.port}"),
                machine.name,
                f"port {listener.port}, which {ports[listener.port]} needs, is used by {who} on {listener.address}",
                f"stop it (`systemctl status {listener.pid}` names its unit)" if listener.pid else None,
            )


RULES = (Rule("ports", _taken),)
