"""The lab: real nodes on this machine to try and to test everything on. Up, down, status, from top to bottom."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from kprov.errors import InputError, LabError
from kprov.lab import firewall, inventory, nodes, ssh
from kprov.lab.directory import LabDirectory, lab_directory, locked, made_labs, write_file
from kprov.lab.docker import Docker
from kprov.lab.engine import connect
from kprov.lab.machine import Machine, detect
from kprov.lab.network import (
    LABEL,
    MAX_CONTROL_PLANES,
    MAX_WORKERS,
    Network,
    bridge_name,
    find_network,
    make_network,
)
from kprov.lab.node_image import existing_image, node_image
from kprov.lab.nodes import Node, NodeMaker, Role
from kprov.lab.size import EVERY_NODE, WHOLE_MACHINE, Size, size_of
from kprov.ui.progress import Progress

RUNTIMES = ("containerd", "docker")
PARALLEL = 8  # nodes that the engine makes or removes at once


@dataclass(frozen=True)
class LabSpec:
    """What is asked for.

    kubernetes: "1.36" or "1.36.3"; online: nodes may reach what this machine reaches; bundle: directory with everything
    that nodes install, None has it built; container_runtime: "containerd" or "docker", whose nodes have Docker Engine;
    sizes: of nodes that are not as big as this machine, by short name (see `kprov.lab.size.parse`).
    """

    name: str = "demo"
    control_planes: int = 1
    workers: int = 2
    kubernetes: str = "1.36"
    online: bool = False
    bundle: Path | None = None
    container_runtime: str = "containerd"
    sizes: Mapping[str, Size] = field(default_factory=dict)


@dataclass(frozen=True)
class Lab:
    """A lab as it is. inventory: None when it was made for another user; virtual_address: free, for a load balancer.

    added, started: names of the nodes that this `up` made, or found stopped.
    """

    name: str
    inventory: Path | None
    nodes: tuple[Node, ...]
    virtual_address: str | None = None
    added: tuple[str, ...] = ()
    started: tuple[str, ...] = ()


def up(spec: LabSpec, progress: Progress) -> Lab:
    """Make the lab that `spec` asks for, or what is missing of it. Ends when every node lets us in by SSH.

    Killed at any point, it goes on where it was when called again. Raises InputError for a spec that cannot be, and
    LabError when this machine cannot have it or the lab exists in another shape.
    """
    directory = lab_directory(spec.name)
    _check_numbers(spec)
    docker, machine = connect(), detect()
    with locked(f"lab-{spec.name}"):
        found = nodes.list_nodes(docker, spec.name)
        network = find_network(docker, spec.name)
        _check_shape(spec, directory, found, network)
        bundle = _bundle(spec, directory, progress)
        image = node_image(docker, progress, spec.container_runtime)
        _remember(spec, directory, bundle, machine)
        network = network or _make_network(docker, spec, machine, progress)
        firewall.allow(docker, image, network.bridge)
        lab_nodes = _nodes(docker, spec, network)
        maker = _maker(docker, directory, network, image, machine)
        _start(maker, directory, lab_nodes, progress)
        _write_inventory(spec, directory, lab_nodes, machine, bundle, fresh=not found)
        return Lab(
            name=spec.name,
            inventory=directory.inventory,
            nodes=tuple(nodes.list_nodes(docker, spec.name)),
            virtual_address=str(network.virtual_address),
            added=tuple(node.name for node in lab_nodes if node.name not in {old.name for old in found}),
            started=tuple(node.name for node in found if node.state != "running"),
        )


def _check_numbers(spec: LabSpec) -> None:
    for what, asked, least, most in (
        ("control planes", spec.control_planes, 1, MAX_CONTROL_PLANES),
        ("workers", spec.workers, 0, MAX_WORKERS),
    ):
        if not least <= asked <= most:
            raise InputError(f"a lab has {least} to {most} {what}, not {asked}")
    if spec.container_runtime not in RUNTIMES:
        raise InputError(f"a lab has no nodes for {spec.container_runtime}", hint=f"it has {' and '.join(RUNTIMES)}")
    names = [f"cp{number}" for number in _from_one(spec.control_planes)]
    names += [f"w{number}" for number in _from_one(spec.workers)]
    if strange := sorted(set(spec.sizes) - {EVERY_NODE, *names}):
        raise InputError(f"a size is given for {', '.join(strange)}", hint=f"the nodes will be {', '.join(names)}")


def _check_shape(spec: LabSpec, directory: LabDirectory, found: Sequence[Node], network: Network | None) -> None:
    """A lab grows; for anything else its nodes would have to go, and that is not for `up` to decide."""
    remake = f"`kprov lab down --name {spec.name}` removes it, then `up` makes the new one"
    made = directory.read()
    if found and (made is None or not directory.private_key.exists()):
        raise LabError(f"there are nodes of a lab {spec.name}, but {directory.path} with their key is not", hint=remake)
    differences = []
    if found and made and made["kubernetes"] != spec.kubernetes:
        differences.append(f"was made for Kubernetes {made['kubernetes']}, not {spec.kubernetes}")
    # A lab of before there was a choice has no word on it.
    runtime = (made or {}).get("container_runtime", "containerd")
    if found and runtime != spec.container_runtime:
        differences.append(f"was made for {runtime}, not {spec.container_runtime}")
    if network and network.online != spec.online:
        differences.append(f"was made {'with' if network.online else 'without'} a way out")
    for what, role, asked in (
        ("control planes", "control_plane", spec.control_planes),
        ("workers", "worker", spec.workers),
    ):
        there = sum(node.role == role for node in found)
        if there > asked:
            differences.append(f"has {there} {what}, not {asked}")
    for node in found:
        asked_size = size_of(spec.sizes, node.name.removeprefix(f"{spec.name}-"))
        if asked_size not in (WHOLE_MACHINE, node.size) and node.state != "created":
            differences.append(f"has {node.name} with {node.size}, not {asked_size}")
    if differences:
        raise LabError(f"the lab {spec.name} {' and '.join(differences)}", hint=remake)


def _bundle(spec: LabSpec, directory: LabDirectory, progress: Progress) -> Path:
    """The bundle that was given, or the one the lab has, or a new one."""
    if spec.bundle is not None:
        return spec.bundle.absolute()
    made = directory.read()
    if made is not None and Path(made["bundle"]).is_dir():
        return Path(made["bundle"])
    from kprov.lab.build import build_bundle

    return build_bundle([spec.kubernetes], progress, runtime=spec.container_runtime)


def _remember(spec: LabSpec, directory: LabDirectory, bundle: Path, machine: Machine) -> None:
    """lab.json: what `up` compares the next time, and what this machine was like (for people and tests)."""
    made = directory.read()
    now = {
        "schema": 1,
        "name": spec.name,
        "created": made["created"] if made else datetime.now(UTC).isoformat(timespec="seconds"),
        "kubernetes": spec.kubernetes,
        "container_runtime": spec.container_runtime,
        "bundle": str(bundle),
        "machine": {
            "cgroup": machine.cgroup,
            "missing_capabilities": list(machine.missing_capabilities),
            "swap": machine.swap,
            "ip_vs": machine.ip_vs,
            "kernel_config": machine.kernel_config,
        },
    }
    directory.path.mkdir(parents=True, exist_ok=True)
    directory.path.chmod(0o700)
    if now != made:
        directory.write(now)


def _make_network(docker: Docker, spec: LabSpec, machine: Machine, progress: Progress) -> Network:
    network = make_network(docker, spec.name, online=spec.online, routes=machine.routes)
    progress.step(f"lab: network {network.subnet} on {network.bridge}, {'with a' if spec.online else 'no'} way out")
    return network


def _nodes(docker: Docker, spec: LabSpec, network: Network) -> list[Node]:
    """All nodes of the lab, those that the engine has and those ("created") that it will."""
    there = {node.name: node for node in nodes.list_nodes(docker, spec.name)}

    def node(role: Role, number: int, address: IPv4Address) -> Node:
        name = nodes.node_name(spec.name, role, number)
        size = size_of(spec.sizes, name.removeprefix(f"{spec.name}-"))
        return Node(spec.name, name, role, str(address), "created", size)

    asked = [node("control_plane", number, network.control_plane(number)) for number in _from_one(spec.control_planes)]
    asked += [node("worker", number, network.worker(number)) for number in _from_one(spec.workers)]
    return [there.get(each.name, each) for each in asked]


def _from_one(count: int) -> range:
    """Nodes are counted from 1."""
    return range(1, count + 1)


def _maker(docker: Docker, directory: LabDirectory, network: Network, image: str, machine: Machine) -> NodeMaker:
    unknown = [] if machine.privileged_works else nodes.unknown_capabilities(docker, image, machine.capabilities)
    # Nobody listens at the bridge's address: without a way out every lookup fails at once, in nodes and in pods.
    resolvers = (network.online and machine.resolvers) or (str(network.gateway),)
    return NodeMaker(
        docker=docker,
        network=network,
        image=image,
        flags=tuple(nodes.isolation(machine, unknown)),
        resolvers=resolvers,
        client_key=ssh.client_key(directory),
        password=nodes.sudo_password(directory),
    )


def _start(maker: NodeMaker, directory: LabDirectory, lab_nodes: Sequence[Node], progress: Progress) -> None:
    """Make what is missing, start what stands still, wait for all.

    A node that exists and never ran was left by a killed `up`, with keys or without: it is made anew.
    """
    docker = maker.docker
    there = {node.name for node in nodes.list_nodes(docker, directory.name)}
    host_keys = {}
    for node in lab_nodes:
        if node.state == "created":
            host_keys[node.name] = ssh.new_key()
            ssh.remember_host(directory, node.name, node.address, host_keys[node.name].public)

    def bring_up(node: Node) -> None:
        if node.name in host_keys:
            if node.name in there:
                docker.run("rm", "--force", node.name)
            maker.create(node)
            maker.give_identity(node, host_keys[node.name])
        nodes.start(docker, node)

    still = [node for node in lab_nodes if node.state != "running"]
    with progress.timed(f"lab: booting {', '.join(node.name for node in still)}") if still else nullcontext():
        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            list(pool.map(bring_up, still))
        nodes.wait_ready(docker, directory, lab_nodes)


def _write_inventory(
    spec: LabSpec, directory: LabDirectory, lab_nodes: Sequence[Node], machine: Machine, bundle: Path, *, fresh: bool
) -> None:
    """fresh: the lab had no nodes before, so variables of an earlier one of that name are not worth keeping."""
    write_file(directory.inventory, inventory.render_inventory(directory, lab_nodes))
    if fresh or not directory.group_vars.exists():
        variables = inventory.lab_variables(spec.name, spec.kubernetes, bundle, spec.container_runtime)
        variables += inventory.machine_variables(machine, spec.container_runtime)
        write_file(directory.group_vars, inventory.render_group_vars(variables))
    elif spec.bundle is not None:
        text = directory.group_vars.read_text()
        write_file(directory.group_vars, inventory.with_bundle(text, spec.kubernetes, bundle))


def down(name: str, progress: Progress) -> list[str]:
    """Remove everything that carries the lab's label, its firewall rule and its directory; bundles stay.

    Returns what was removed, one line each; empty when there was nothing to do.
    """
    directory = lab_directory(name)
    docker = connect()
    removed = []
    with locked(f"lab-{name}"):
        network = find_network(docker, name)
        lab_nodes = nodes.list_nodes(docker, name)
        if lab_nodes or network:
            with progress.timed(f"lab: removing {name}"):
                removed += _remove_nodes(docker, lab_nodes)
                removed += _remove_network(docker, name, network)
        removed += _remove_volumes(docker, name)
        if directory.path.exists():
            shutil.rmtree(directory.path)
            removed.append(f"directory {directory.path}")
    return removed


def _remove_nodes(docker: Docker, lab_nodes: Sequence[Node]) -> list[str]:
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        list(pool.map(lambda node: docker.run("rm", "--force", "--volumes", node.name), lab_nodes))
    return [f"node {node.name}" for node in lab_nodes]


def _remove_network(docker: Docker, name: str, network: Network | None) -> list[str]:
    removed = []
    image = existing_image(docker)
    if image and firewall.forget(docker, image, bridge_name(name)):
        removed.append(f"firewall rule for {bridge_name(name)}")
    if network:
        docker.run("network", "rm", network.name)
        removed.append(f"network {network.name} {network.subnet}")
    return removed


def _remove_volumes(docker: Docker, name: str) -> list[str]:
    volumes = docker.lines("volume", "ls", "--quiet", "--filter", f"label={LABEL}={name}")
    if volumes:
        docker.run("volume", "rm", *volumes)
    return [f"volume {volume}" for volume in volumes]


def status(name: str | None = None) -> list[Lab]:
    """The labs of this machine, or one of them (LabError when there is no such lab), sorted by name."""
    docker = connect()
    found = nodes.list_nodes(docker, name)
    names = sorted({node.lab for node in found} | set(made_labs())) if name is None else [name]
    labs = []
    for each in names:
        directory = lab_directory(each)
        lab_nodes = tuple(node for node in found if node.lab == each)
        if not lab_nodes and not directory.lab_json.exists():
            others = ", ".join(made_labs()) or "none"
            raise LabError(
                f"there is no lab {each}", hint=f"labs of this machine: {others}; `kprov lab up --name {each}`"
            )
        network = find_network(docker, each)
        labs.append(
            Lab(
                name=each,
                inventory=directory.inventory if directory.inventory.exists() else None,
                nodes=lab_nodes,
                virtual_address=str(network.virtual_address) if network else None,
            )
        )
    return labs


def ssh_command(lab: str, node: str, command: Sequence[str], user: str = ssh.USER) -> list[str]:
    """The `ssh` command line that opens a node.

    node: its name, with or without the lab's; command: none for a shell. LabError when there is no such node.
    """
    directory = lab_directory(lab)
    there = {each.name: each for each in nodes.list_nodes(connect(), lab)}
    found = there.get(node) or there.get(f"{lab}-{node}")
    if found is None:
        raise LabError(f"the lab {lab} has no node {node}", hint=f"its nodes: {', '.join(there) or 'none'}")
    return ssh.command(directory, found.address, *command, user=user, ask=True)


def power(node: str, to: nodes.Power) -> None:
    """Switch a node "on", "off", "kill" (the power plug) or "pause" it. After "on" it has booted and lets us in."""
    docker = connect()
    found = next((each for each in nodes.list_nodes(docker) if each.name == node), None)
    if found is None:
        raise LabError(f"there is no node {node}", hint="`kprov lab status` lists them")
    nodes.power(docker, node, to)
    if to == "on":
        nodes.wait_ready(docker, lab_directory(found.lab), [found])
