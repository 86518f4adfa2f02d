"""What stands against moving a runtime's root directory, from what the node said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kprov.remote.state import HostState, RuntimeRootMove
from kprov.runtime_root.announce import announcement
from kprov.runtime_root.judge import Look, judge, outage
from tests.unit.factories import converged_states, make_host, make_spec

GIB = 2**30
ANSWER: dict[str, Any] = {
    "errors": [],
    "root": "/var/lib/containerd",
    "live_root": "/var/lib/containerd",
    "size": {"bytes": 10 * GIB, "entries": 50_000, "exact": True},
    "static_pods": [],
    "others": [],
    "image_store": "",
    "target": {
        "mount_point": "/data",
        "type": "ext4",
        "free": 100 * GIB,
        "size": 100 * GIB,
        "inodes_free": 6_000_000,
        "inodes": 6_000_000,
        "read_only": False,
        "same_file_system": False,
        "content": [],
        "real": "/data/containerd",
        "real_root": "/var/lib/containerd",
        "mounts_in_root": [],
    },
}


def look(target: dict[str, Any] | None = None, move: RuntimeRootMove | None = None, **answer: Any) -> Look:
    variables = {"container_runtime_root": "/data/containerd", **answer.pop("variables", {})}
    whole = {**ANSWER, **answer, "target": {**ANSWER["target"], **(target or {})}}
    return Look(make_host("w1", "kube_node", **variables), whole, move)


def said(looked: Look) -> list[str]:
    return [f"{problem.severity}: {problem.message}" for problem in judge(looked)]


def test_a_fit_target_has_no_problem() -> None:
    assert said(look()) == []
    assert said(look(variables={"container_runtime_root": "/data/containerd/"})) == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"free": 25 * GIB}, "error: /data has 25.0 GiB free; needed: 25.5 GiB (10.0 GiB in /var/lib/containerd"),
        ({"inodes_free": 59_999}, "error: /data has 59999 inodes free; needed: 60000 (50000 in"),
        ({"content": ["overlay2"]}, "error: /data/containerd is not empty: overlay2"),
        ({"real": "/var/lib/containerd"}, "error: /var/lib/containerd and /data/containerd are the same directory"),
        ({"real": "/var/lib/containerd/new"}, "error: /var/lib/containerd and /data/containerd are the same"),
        ({"real": "/var/lib"}, "error: /var/lib/containerd and /data/containerd are the same directory"),
        ({"type": "nfs4"}, "error: /data/containerd would be on nfs4 (/data), which carries no overlay"),
        ({"type": "xfs, ftype=0"}, "error: /data/containerd would be on xfs, ftype=0 (/data), which carries no"),
        ({"type": "fuse.sshfs"}, "error: /data/containerd would be on fuse.sshfs"),
        ({"type": "tmpfs"}, "warning: /data/containerd is on a tmpfs: everything in it is gone after a reboot"),
        ({"read_only": True}, "error: /data is mounted read-only"),
        ({"same_file_system": True}, "warning: /data/containerd is on the same file system"),
        ({"mounts_in_root": ["/var/lib/containerd/x"]}, "error: /var/lib/containerd/x is mounted below"),
    ],
)
def test_an_unfit_target_is_named_with_numbers(target: dict[str, Any], message: str) -> None:
    (problem,) = said(look(target))
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("threshold", "size", "needed"),
    [
        ("15%", 100 * GIB, "25.5 GiB (10.0 GiB in /var/lib/containerd, 15.5 GiB to stay above imagefs.available 15%,"),
        (None, 1000 * GIB, "40.5 GiB (10.0 GiB in /var/lib/containerd, 30.5 GiB to stay above imagefs.available 30Gi"),
        ("1Gi", 100 * GIB, "14.5 GiB (10.0 GiB in /var/lib/containerd, 4.5 GiB to go on working)"),
    ],
)
def test_a_disk_on_which_the_kubelet_would_evict_at_once_is_too_small(
    threshold: str | None, size: int, needed: str
) -> None:
    variables = {"kubelet_eviction_hard": {"imagefs.available": threshold} if threshold else {}}
    (problem,) = said(look({"size": size, "free": 11 * GIB}, variables=variables))
    assert problem.startswith(f"error: /data has 11.0 GiB free; needed: {needed}")


def test_a_name_that_only_begins_alike_is_another_directory() -> None:
    assert said(look({"real": "/var/lib/containerd2"})) == []


def test_a_btrfs_without_a_number_of_inodes_has_enough() -> None:
    assert said(look({"inodes": 0, "inodes_free": 0})) == []


def test_the_same_file_system_is_an_error_where_a_mount_is_asked() -> None:
    (problem,) = said(look({"same_file_system": True}, variables={"container_runtime_root_is_mount": True}))
    assert problem.startswith("error: ")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"live_root": None}, "error: the container runtime does not answer"),
        ({"live_root": "/other"}, "error: the container runtime runs on /other, its configuration names /var/lib/con"),
        ({"image_store": "containerd"}, "error: Docker keeps its images in containerd's root"),
        ({"others": ["moby/1"]}, "error: containers that are not Kubernetes' run in this containerd: moby/1"),
        ({"errors": ["size: OSError"]}, "error: could not be looked at: size: OSError"),
    ],
)
def test_a_runtime_that_cannot_be_moved_is_named(answer: dict[str, Any], message: str) -> None:
    (problem,) = said(look(**answer))
    assert problem.startswith(message)


MOVE = RuntimeRootMove("/var/lib/containerd", "/data/containerd", "stopped", "2026-01-01T00:00:00Z", None, 10 * GIB)


def test_a_move_that_goes_on_is_not_judged_by_its_own_copy() -> None:
    half = {"content": ["io.containerd.content.v1.content"], "free": 5 * GIB}
    assert said(look(half, MOVE, live_root=None)) == []
    assert said(look(half, replace(MOVE, step="begun"), live_root=None)) == []


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (replace(MOVE, new="/elsewhere"), "error: a move to /elsewhere has not ended (after: stopped), and"),
        (replace(MOVE, new="/elsewhere", step="finished"), "error: /var/lib/containerd from the last move to /else"),
        (replace(MOVE, step="aborting"), "error: `kprov runtime-root abort` has not ended here"),
        (replace(MOVE, step="removing"), "error: `kprov runtime-root confirm` has not ended here"),
    ],
)
def test_another_move_that_has_not_ended_comes_first(move: RuntimeRootMove, message: str) -> None:
    (problem,) = said(look(move=move))
    assert problem.startswith(message)


def test_the_announcement_says_how_long_and_what_stops() -> None:
    text = "\n".join(announcement(look(static_pods=["etcd", "kube-apiserver"]), 120, "cp1 is the only control plane"))
    assert "10.0 GiB in 50000 entries; 100.0 GiB free on /data (ext4)" in text
    assert "within 120 s" in text
    assert "static pods etcd, kube-apiserver" in text
    assert "away for about 4 min" in text  # 60 s + 10 GiB at 60 MiB/s
    assert "THE API GOES AWAY meanwhile: cp1 is the only control plane" in text


def test_an_outage_is_the_only_control_plane_the_endpoint_or_etcds_majority() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    assert outage(spec, states, spec.host("cp1")) == "cp1 is the only control plane"
    assert outage(spec, states, spec.host("w1")) is None
    spec = make_spec(3, 0, control_plane_endpoint="lb.example:6443")
    states = converged_states(spec)
    assert outage(spec, states, spec.host("cp1")) is None
    down: dict[str, HostState] = {**states, "cp2": replace(states["cp2"], api=None)}
    assert outage(spec, down, spec.host("cp1")) == "etcd needs 2 of 3 members, and 1 would be left"
    spec = make_spec(3, 0)
    assert "control_plane_endpoint" in str(outage(spec, converged_states(spec), spec.host("cp1")))
    assert outage(spec, converged_states(spec), spec.host("cp2")) is None


def test_the_lock_is_held_for_as_long_as_the_slowest_copy_may_take() -> None:
    assert look().longest == 10 * GIB // (4 * 2**20)
