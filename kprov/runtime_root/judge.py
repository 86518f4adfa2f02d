"""May the root directory be moved, and what will it cost? Pure: what was looked at goes in, problems come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from kprov.errors import Problem
from kprov.phases.inputs import api_endpoint
from kprov.remote.rules.container_runtime import NO_UPPER
from kprov.remote.rules.rule import GIB, gib
from kprov.remote.state import HostState, ProbeResult, RuntimeRootMove
from kprov.reserve.reservation import Settings, image_threshold
from kprov.spec.cluster import ClusterSpec, Host

# What is free afterwards has to be enough to go on working: one more set of Kubernetes' images, packed and unpacked, as
# preflight asks of a new machine (kprov/remote/rules/capacity.py); or, if that is more, the threshold below which the
# node has DiskPressure and its pods go. And 5 % of what was copied, for other block sizes.
MARGIN = 4 * GIB
MARGIN_SHARE = 0.05
MARGIN_INODES = 10_000
# Speed of the estimate: a SATA disk that reads and writes many small files. Measured copies are faster, see the how-to.
BYTES_PER_SECOND = 60 * 1024**2
# As the deadline of the copy (plugins/module_utils/kprov_runtime_copy.py): what is slower has stopped.
SLOWEST = 4 * 1024**2
# Stop and start of containers, runtime and kubelet.
STOP_AND_START_SECONDS = 60


@dataclass(frozen=True)
class Look:
    """What the node said (node/main.py), with the wish: the directory of the inventory."""

    host: Host
    answer: dict[str, Any]
    move: RuntimeRootMove | None

    @property
    def old(self) -> str:
        """The directory that is in use, or was before a move that has not ended."""
        return self.move.old if self.move else str(self.answer["root"])

    @property
    def new(self) -> str:
        """The directory that the inventory wants."""
        return normpath(str(self.host.variables["container_runtime_root"]))

    @property
    def seconds(self) -> int:
        """How long the pods are away, about."""
        return STOP_AND_START_SECONDS + int(self.answer["size"]["bytes"] / BYTES_PER_SECOND)

    @property
    def longest(self) -> int:
        """Seconds that the copy may take before it is given up."""
        return int(self.answer["size"]["bytes"] / SLOWEST)


def judge(look: Look) -> Iterator[Problem]:
    """What stands against the move, errors and warnings."""
    if look.answer["errors"]:
        yield _error(look, "could not be looked at: " + "; ".join(look.answer["errors"]), "mend that first")
        return
    if look.move:
        yield from _unfinished(look, look.move)
        if look.move.step != "begun":
            return  # it was judged when it began, and the target is in use by now
    target = look.answer["target"]
    yield from _directories(look, target)
    if not look.move:
        yield from _others(look)
    yield from _file_system(look, target)
    if not (look.move and look.move.size):  # else a part of the copy is there already
        yield from _space(look, target)


def _unfinished(look: Look, move: RuntimeRootMove) -> Iterator[Problem]:
    if move.step == "finished":
        if look.new != move.new:
            hint = "`kprov runtime-root confirm` removes it, then move again"
            yield _error(look, f"{move.old} from the last move to {move.new} is still there", hint)
    elif move.step in ("aborting", "removing"):
        verb = {"aborting": "abort", "removing": "confirm"}[move.step]
        yield _error(look, f"`kprov runtime-root {verb}` has not ended here", f"run `kprov runtime-root {verb}` again")
    elif look.new != move.new:
        yield _error(
            look,
            f"a move to {move.new} has not ended (after: {move.step}), and container_runtime_root is {look.new}",
            f"set container_runtime_root: {move.new} and go on, or `kprov runtime-root abort`",
        )


def _directories(look: Look, target: dict[str, Any]) -> Iterator[Problem]:
    old, new = target["real_root"].rstrip("/") + "/", target["real"].rstrip("/") + "/"
    if old.startswith(new) or new.startswith(old):
        yield _error(
            look,
            f"{look.old} and {look.new} are the same directory, or one contains the other ({old[:-1]}, {new[:-1]})",
            "choose a directory of its own for container_runtime_root",
        )
    elif target["content"] and not look.move:
        yield _error(
            look,
            f"{look.new} is not empty: {', '.join(target['content'])}",
            "kprov moves into an empty directory only: take another one, or remove what is there",
        )


def _others(look: Look) -> Iterator[Problem]:
    answer = look.answer
    if answer["live_root"] is None:
        yield _error(look, "the container runtime does not answer", "`kprov up` mends it; then move")
    elif answer["live_root"] != answer["root"]:
        yield _error(
            look,
            f"the container runtime runs on {answer['live_root']}, its configuration names {answer['root']}",
            "make the two agree first: restart it, or mend the configuration",
        )
    if answer["target"]["mounts_in_root"]:
        points = ", ".join(answer["target"]["mounts_in_root"])
        yield _error(
            look,
            f"{points} is mounted below {look.old}: a file system of its own is not copied along",
            "unmount it, and mount it below the new directory afterwards",
        )
    if answer["image_store"] == "containerd":
        yield _error(
            look,
            "Docker keeps its images in containerd's root and not in its data-root, so moving that would move nothing",
            "move containerd's root by its own configuration, or turn the feature containerd-snapshotter off",
        )
    if answer["others"] and look.host.variables["container_runtime"] == "containerd":
        yield _error(
            look,
            f"containers that are not Kubernetes' run in this containerd: {', '.join(answer['others'][:5])}",
            "stop them first (`ctr -n NAMESPACE tasks kill ID`); kprov does not know how to start them again",
        )


def _file_system(look: Look, target: dict[str, Any]) -> Iterator[Problem]:
    if target["read_only"]:
        yield _error(look, f"{target['mount_point']} is mounted read-only", "mount it read-write")
    if target["type"] in NO_UPPER or target["type"].startswith("fuse"):
        yield _error(
            look,
            f"{look.new} would be on {target['type']} ({target['mount_point']}), which carries no overlay mounts",
            "use ext4, or xfs made with ftype=1",
        )
    elif target["type"] == "tmpfs":
        message = f"{look.new} is on a tmpfs: everything in it is gone after a reboot"
        yield Problem("warning", "runtime-root-target", message, host=look.host.name)
    if target["same_file_system"]:
        asked = look.host.variables["container_runtime_root_is_mount"]
        message = f"{look.new} is on the same file system as {look.old} ({target['mount_point']}): no space is won"
        hint = f"is the disk mounted? `findmnt --target {look.new}`"
        yield Problem("error" if asked else "warning", "runtime-root-target", message, look.host.name, hint=hint)


def _space(look: Look, target: dict[str, Any]) -> Iterator[Problem]:
    size = look.answer["size"]
    threshold, kept = image_threshold(Settings.of(look.host.variables), target["size"])
    margin, why = max(
        (min(MARGIN, target["size"] // 10), "to go on working"),
        (kept, f"to stay above imagefs.available {threshold}, where the kubelet evicts pods"),
    )
    margin += int(MARGIN_SHARE * size["bytes"])
    if target["free"] < size["bytes"] + margin:
        yield _error(
            look,
            f"{target['mount_point']} has {gib(target['free'])} free; needed: {gib(size['bytes'] + margin)}"
            f" ({gib(size['bytes'])} in {look.old}, {gib(margin)} {why})",
            "use a bigger disk, or remove images first (`crictl rmi --prune`)",
        )
    need = size["entries"] + MARGIN_INODES
    if target["inodes"] and target["inodes_free"] < need:
        yield _error(
            look,
            f"{target['mount_point']} has {target['inodes_free']} inodes free; needed: {need}"
            f" ({size['entries']} in {look.old})",
            "make the file system with more inodes (`mkfs.ext4 -i 8192`), or use xfs",
        )


def outage(spec: ClusterSpec, states: Mapping[str, ProbeResult], host: Host) -> str | None:
    """Why the API goes away while this host's runtime stands still; None if it does not."""
    if "kube_control_plane" not in host.groups:
        return None
    names = [h.name for h in spec.group("kube_control_plane")]
    if len(names) == 1:
        return f"{host.name} is the only control plane"
    if api_endpoint(spec).rpartition(":")[0] == host.ip:
        return f"{host.name} is the address that every client uses (control_plane_endpoint)"
    alive = [
        n for n in names if n != host.name and isinstance(s := states.get(n), HostState) and s.api and s.api.reachable
    ]
    if len(alive) < len(names) // 2 + 1:
        return f"etcd needs {len(names) // 2 + 1} of {len(names)} members, and {len(alive)} would be left"
    return None


def _error(look: Look, message: str, hint: str) -> Problem:
    return Problem("error", "runtime-root-target", message, host=look.host.name, hint=hint)
