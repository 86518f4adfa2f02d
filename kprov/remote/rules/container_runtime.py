"""The container runtime: another one than the machine has, and the disk that its images are to be on."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say


def _switch(machines: Machines, say: Say) -> Iterator[Problem]:
    """Pods of the old runtime would run on, seen by nobody: the new one knows none of their sandboxes."""
    for machine in machines.all:
        has, wanted = _recorded(machine), machine.host.variables["container_runtime"]
        if has and has != wanted:
            node = machine.name.lower()
            leave = f"`kubectl drain {node} --ignore-daemonsets`, `kubectl delete node {node}`, "
            yield say.error(
                machine.name,
                f"runs {has}, and container_runtime is {wanted}: kprov does not switch a machine that has a runtime",
                f"{leave if machine.state.cluster.joined else ''}reinstall the machine, then `kprov up`"
                f" joins it with {wanted}; or set container_runtime: {has}",
            )


def _recorded(machine: Machine) -> str | None:
    """The runtime that kprov installed there."""
    record = machine.state.phases.get("container_runtime")
    return (record.fingerprint or {}).get("container_runtime") if record else None


def _root(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        root = str(machine.host.variables["container_runtime_root"])
        filesystems = machine.state.filesystems
        if not machine.host.variables["container_runtime_root_is_mount"] or {root, "/"} - set(filesystems):
            continue
        if filesystems[root].device == filesystems["/"].device:
            yield say.error(
                machine.name,
                f"{root} lies on the root file system, and container_runtime_root_is_mount asks for a disk of its own",
                f"mount the disk (`findmnt --target {root}`), or set container_runtime_root_is_mount: false",
            )


RULES = (Rule("runtime-switch", _switch), Rule("runtime-root", _root))
