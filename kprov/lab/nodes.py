"""Nodes: containers that behave like machines. Made, started, cut off, listed.

The engine is the only record of which nodes exist: name, role and address are labels of the container.
"""

from __future__ import annotations

import io
import re
import secrets
import subprocess
import tarfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, cast

from kprov.errors import LabError
from kprov.lab import ssh
from kprov.lab.directory import LabDirectory, write_file
from kprov.lab.docker import Docker
from kprov.lab.machine import Machine
from kprov.lab.network import LABEL, Network
from kprov.lab.size import WHOLE_MACHINE, Size

Role = Literal["control_plane", "worker"]
# "created": never ran.
State = Literal["created", "running", "paused", "stopped"]
Power = Literal["on", "off", "kill", "pause"]

# Overlay cannot stack on the node's own overlay, and a database wants a real file system; so these are volumes.
VOLUMES = {
    "containerd": "/var/lib/containerd",
    "docker": "/var/lib/docker",
    "etcd": "/var/lib/etcd",
    "kubelet": "/var/lib/kubelet",
}

BOOT_SECONDS = 90.0  # from start to an answer by SSH; takes 2 to 6 s, more when many nodes boot at once
STOP_SECONDS = 60  # what a node gets to shut down by itself
POLL_SECONDS = 0.15


@dataclass(frozen=True)
class Node:
    """name: container, hostname and inventory name in one; address: IPv4; size: what it was made with."""

    lab: str
    name: str
    role: Role
    address: str
    state: State
    size: Size = WHOLE_MACHINE


def node_name(lab: str, role: Role, number: int) -> str:
    return f"{lab}-{'cp' if role == 'control_plane' else 'w'}{number}"


def list_nodes(docker: Docker, lab: str | None = None) -> list[Node]:
    """Nodes of one lab or of all, control planes first, in the order of their numbers."""
    kept = (LABEL, *(f"{LABEL}.{what}" for what in ("role", "address", "memory", "cpus")))
    labels = "\t".join(f'{{{{.Label "{label}"}}}}' for label in kept)
    wanted = f"label={LABEL}" if lab is None else f"label={LABEL}={lab}"
    nodes = []
    for line in docker.lines(
        "ps", "--all", "--filter", wanted, "--format", f"{{{{.Names}}}}\t{{{{.State}}}}\t{labels}"
    ):
        name, state, owner, role, address, memory, cpus = line.split("\t")
        # No label: the whole machine.
        size = Size(int(memory) if memory else None, int(cpus) if cpus else None)
        nodes.append(Node(owner, name, cast("Role", role), address, _state(state), size))
    return sorted(nodes, key=lambda node: (node.lab, node.role, number_of(node)))


def number_of(node: Node) -> int:
    """The 2 of demo-w2."""
    match = re.search(r"\d+$", node.name)
    return int(match.group()) if match else 0


def _state(engine_says: str) -> State:
    """The engine also knows "exited", "dead", "restarting" and "removing": for a lab they are all "stopped"."""
    return cast("State", engine_says) if engine_says in ("created", "running", "paused") else "stopped"


def unknown_capabilities(docker: Docker, image: str, capabilities: Sequence[str]) -> list[str]:
    """Those that this engine has never heard of: some builds of 20.10 lack PERFMON, BPF and CHECKPOINT_RESTORE.

    Found by asking: which ones an engine knows depends on its build, not only on its version.
    """
    unknown: list[str] = []
    while True:
        known = [name for name in capabilities if name not in unknown]
        try:
            container = docker.run("create", "--pull", "never", *(f"--cap-add={name}" for name in known), image)
        except LabError as refused:
            named = re.search(r'unknown capability: "CAP_(\w+)"', refused.message)
            if named is None or named[1] not in known:
                raise
            unknown.append(named[1])
        else:
            docker.run("rm", container)
            return unknown


def isolation(machine: Machine, unknown: Sequence[str]) -> list[str]:
    """Flags of `docker create` that give a node as much of this machine as it has to give.

    unknown: capabilities that the engine does not know.
    """
    flags = ["--cgroupns", "private"]
    if machine.privileged_works:
        flags.append("--privileged")
    else:
        # --privileged fails where the bounding set is not full: everything it does, one by one.
        flags += [f"--cap-add={name}" for name in machine.capabilities if name not in unknown]
        flags += [f"--security-opt={option}=unconfined" for option in ("seccomp", "apparmor", "systempaths")]
        # Without this rule privileged pods fail: `write devices.allow: operation not permitted`.
        flags.append("--device-cgroup-rule=a *:* rwm")
        flags += [f"--device={device}" for device in machine.devices]
    if machine.modules:
        flags.append("--mount=type=bind,src=/lib/modules,dst=/lib/modules,readonly")
    return flags


@dataclass(frozen=True)
class NodeMaker:
    """What all nodes of a lab have in common.

    flags: from `isolation`; resolvers: nameservers for nodes and pods; client_key: public, opens every user of a node;
    password: of `sudoer`.
    """

    docker: Docker
    network: Network
    image: str
    flags: tuple[str, ...]
    resolvers: tuple[str, ...]
    client_key: str
    password: str

    def create(self, node: Node) -> None:
        """Create a node; it does not run yet. A killed run leaves no container or a whole one."""
        lab = node.lab
        labels = {LABEL: lab, f"{LABEL}.role": node.role, f"{LABEL}.address": node.address}
        size = {"memory": node.size.memory, "cpus": node.size.cpus}
        labels |= {f"{LABEL}.{what}": str(number) for what, number in size.items() if number is not None}
        volumes = [
            f"--mount=type=volume,src=kprov-{node.name}-{name},dst={path},volume-label={LABEL}={lab}"
            for name, path in VOLUMES.items()
        ]
        self.docker.run(
            *("create", "--pull", "never", "--name", node.name, "--hostname", node.name),
            *("--network", self.network.name, "--ip", node.address),
            *(f"--label={key}={value}" for key, value in labels.items()),
            *self.flags,
            *node.size.engine_flags(),
            *volumes,
            *("--tmpfs", "/run", "--tmpfs", "/tmp:exec"),
            *("--env", f"KPROV_LAB_GATEWAY={self.network.gateway}"),
            *("--env", f"KPROV_LAB_RESOLVERS={' '.join(self.resolvers)}"),
            self.image,
        )

    def give_identity(self, node: Node, host_key: ssh.KeyPair) -> None:
        """Put keys, a machine-id, the password and the size into a node that has never run."""
        may_log_in = self.client_key + "\n"
        files = {
            "etc/machine-id": (uuid.uuid4().hex + "\n", 0o444, 0),
            "etc/ssh/ssh_host_ed25519_key": (host_key.private, 0o600, 0),
            "etc/ssh/ssh_host_ed25519_key.pub": (host_key.public + "\n", 0o644, 0),
            "etc/kprov-lab/password": (f"sudoer:{self.password}\n", 0o600, 0),
            "root/.ssh/authorized_keys": (may_log_in, 0o600, 0),
            "home/kprov/.ssh/authorized_keys": (may_log_in, 0o600, 1000),
            "home/sudoer/.ssh/authorized_keys": (may_log_in, 0o600, 1001),
            **{path: (content, 0o444, 0) for path, content in node.size.files().items()},
        }
        self.docker.run("cp", "-", f"{node.name}:/", stdin=_archive(files))


def _archive(files: dict[str, tuple[str, int, int]]) -> bytes:
    """A tar of path -> (content, mode, owner). No directories: those of the image keep their modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode, owner) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = (
                len(content),
                mode,
                owner,
                owner,
                int(time.time()),
            )
            archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


def sudo_password(directory: LabDirectory) -> str:
    """Password of `sudoer` in this lab; made the first time."""
    if not directory.sudo_password.exists():
        write_file(directory.sudo_password, secrets.token_urlsafe(12) + "\n", mode=0o600)
    return directory.sudo_password.read_text().strip()


def start(docker: Docker, node: Node) -> None:
    """Let a node run, whatever it does now."""
    if node.state != "running":
        docker.run("unpause" if node.state == "paused" else "start", node.name)


def wait_ready(docker: Docker, directory: LabDirectory, nodes: Sequence[Node], seconds: float = BOOT_SECONDS) -> None:
    """Return when every node has booted and lets `kprov` in by SSH with sudo.

    seconds: deadline for all. Raises LabError with the end of the node's journal.
    """
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        for waiting in [pool.submit(_wait_one, docker, directory, node, end) for node in nodes]:
            waiting.result()


def _wait_one(docker: Docker, directory: LabDirectory, node: Node, end: float) -> None:
    """end: of time.monotonic()."""
    login = ssh.command(directory, node.address, "sudo", "-n", "true")
    while True:
        _, state = _asked([docker.binary, "exec", node.name, "systemctl", "is-system-running", "--wait"], end)
        said = f"systemd: {state or 'no answer'}"
        # "degraded": booted, and some unit does not like containers; SSH shows whether the node is fit.
        if state in ("running", "degraded"):
            let_in, answer = _asked(login, end)
            if let_in:
                return
            said = f"`ssh {node.name} sudo -n true`: {answer}"
        if time.monotonic() > end or _stopped(docker, node):
            raise LabError(
                f"{node.name} did not come up. {said}\n{last_words(docker, node)}",
                hint=f"`docker logs {node.name}`; `kprov lab down --name {node.lab}` removes the lab",
            )
        time.sleep(POLL_SECONDS)


def _asked(command: list[str], end: float) -> tuple[bool, str]:
    """(whether a command succeeded before `end`, what it said on both streams)."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(1.0, end - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, "no answer in time"
    return done.returncode == 0, done.stdout.decode(errors="replace").strip()


def _stopped(docker: Docker, node: Node) -> bool:
    return docker.run("inspect", "--format", "{{.State.Status}}", node.name) not in ("running", "paused")


def last_words(docker: Docker, node: Node) -> str:
    """The end of a node's journal, or of the container's output when it does not run."""
    for question in (
        ["exec", node.name, "journalctl", "--no-pager", "--lines=25", "--output=short-precise"],
        ["logs", "--tail", "25", node.name],
    ):
        answered, said = _asked([docker.binary, *question], time.monotonic() + 10)
        if answered and said:
            return said
    return "(it left no journal and no output)"


def power(docker: Docker, node: str, to: Power) -> None:
    """Switch a node as one would a machine, for tests.

    on: start or resume, without waiting for the boot (`wait_ready` does); off: orderly shutdown; kill: the power plug;
    pause: frozen, as a machine that hangs (addresses stay, nothing answers).
    """
    state = _state(docker.run("inspect", "--format", "{{.State.Status}}", node))
    if to == "on":
        if state != "running":
            docker.run("unpause" if state == "paused" else "start", node)
    elif to == "pause":
        if state == "running":
            docker.run("pause", node)
    elif state in ("running", "paused"):
        if state == "paused":
            docker.run("unpause", node)
        if to == "off":
            docker.run("stop", "--time", str(STOP_SECONDS), node, seconds=STOP_SECONDS + 30)
        else:
            docker.run("kill", node)
