"""The container runtime: does it answer, is it another one than the machine has, and the disk of its images."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.node.runtime import UNITS
from kprov.remote.rules.rule import Machine, Machines, Rule, Say, gib
from kprov.spec.values import ROOTS

# File systems that cannot hold overlayfs' upper directory: no d_type, no trusted.* attributes, or overlays themselves
# (Linux, Documentation/filesystems/overlayfs.rst: upper layer; NFS is named there).
NO_UPPER = frozenset({"overlay", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "ntfs", "ntfs3", "xfs, ftype=0"})


def _responds(machines: Machines, say: Say) -> Iterator[Problem]:
    """Its unit is active and its process is there: systemd sees nothing of it, the kubelet only after minutes."""
    for machine in machines.all:
        for path, why in machine.state.runtime.items():
            if why:
                unit = UNITS[path]
                hint = f"`journalctl -u {unit}`; `systemctl restart {unit}` on that host: containers go on"
                yield say.warning(machine.name, f"{unit} ({path}) {why}", hint)


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


def _moved(machines: Machines, say: Say) -> Iterator[Problem]:
    """Another directory would be an empty one: a move takes what is there along, as an operation of its own."""
    for machine in machines.all:
        move, host = machine.state.runtime_root, machine.host
        if move and move.step != "finished":
            continue  # the next rule's
        record = machine.state.phases.get("container_runtime")
        has = (record.fingerprint or {}).get("container_runtime_root") if record else None
        has = ROOTS.get(str(host.variables["container_runtime"])) if has == "" else has
        if has and has != host.variables["container_runtime_root"]:
            yield say.error(
                machine.name,
                f"its images and containers are in {has}, and container_runtime_root is"
                f" {host.variables['container_runtime_root']}: `kprov up` does not move them",
                f"`kprov runtime-root migrate --host {machine.name}` does, or set container_runtime_root: {has}",
            )


def _move(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        move = machine.state.runtime_root
        if move is None:
            continue
        command = f"`kprov runtime-root {{}} --host {machine.name}`"
        if move.step == "finished":
            size = f", {gib(move.size)}," if move.size else ""
            message = f"{move.old}{size} from before the move to {move.new} of {move.finished} is still there"
            yield say.warning(machine.name, message, f"{command.format('confirm')} removes it, abort goes back to it")
        else:
            verb = {"aborting": "abort", "removing": "confirm"}.get(move.step, "migrate")
            back = f"; {command.format('abort')} goes back to {move.old}" if verb == "migrate" else ""
            message = f"the move from {move.old} to {move.new} has not ended (begun {move.started}, after: {move.step})"
            yield say.error(machine.name, message, f"{command.format(verb)} goes on{back}")


def _overlay(machines: Machines, say: Say) -> Iterator[Problem]:
    """Images are mounted with overlayfs, whose upper directory does not work everywhere."""
    for machine in machines.new:
        variables = machine.host.variables
        docker = variables["container_runtime"] == "docker"
        if docker and variables["container_runtime_docker_storage_driver"] != "overlay2":
            continue
        root = str(variables["container_runtime_root"])
        found = machine.state.filesystems.get(root)
        if found and found.kind in NO_UPPER:
            yield say.error(
                machine.name,
                f"{root} is on {found.kind}, and overlayfs, which containers are made of, does not work on it",
                "mount a disk with ext4, or xfs as mkfs.xfs makes it today, there; or move container_runtime_root",
            )


RULES = (
    Rule("runtime-switch", _switch),
    Rule("runtime-responds", _responds),
    Rule("runtime-root", _root),
    Rule("runtime-root-changed", _moved),
    Rule("runtime-root-move", _move),
    Rule("runtime-filesystem", _overlay),
)
