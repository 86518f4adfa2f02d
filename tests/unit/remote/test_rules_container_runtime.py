"""Switching the runtime, and the disk of the images."""

from __future__ import annotations

import pytest

from kprov.remote.state import ClusterState, Filesystem, PhaseState, RuntimeRootMove
from tests.unit.factories import make_spec
from tests.unit.remote.test_preflight import fresh, only, preflight


def installed(runtime: str) -> PhaseState:
    return PhaseState(fingerprint={"container_runtime": runtime}, finished="t", dirty=False)


def test_another_runtime_on_a_node_is_refused_with_the_way_to_do_it() -> None:
    spec = make_spec(1, 0, container_runtime="docker")
    states = fresh(
        spec,
        phases={"container_runtime": installed("containerd"), "control_plane": installed("containerd")},
        cluster=ClusterState(joined=True, ca_sha256="aa"),
        records_cluster="test",
    )
    problem = only(spec, states, "runtime-switch")
    assert problem.severity == "error"
    assert "runs containerd, and container_runtime is docker" in problem.message
    assert "kubectl drain cp1" in str(problem.hint)


def test_before_joining_there_is_nothing_to_drain() -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, phases={"container_runtime": installed("docker")}), "runtime-switch")
    assert str(problem.hint).startswith("reinstall the machine")


def test_the_same_runtime_is_fine() -> None:
    spec = make_spec(1, 0, container_runtime="docker")
    assert preflight(spec, fresh(spec, phases={"container_runtime": installed("docker")})) == []


@pytest.mark.parametrize(("device", "codes"), [("1", ["runtime-root"]), ("2", [])])
def test_a_root_that_must_be_a_mount(device: str, codes: list[str]) -> None:
    spec = make_spec(1, 0, container_runtime_root_is_mount=True)
    size = 2**40
    filesystems = {
        "/": Filesystem(size, size, "1"),
        "/var/lib/kubelet": Filesystem(size, size, "1"),
        "/var/lib/etcd": Filesystem(size, size, "1"),
        "/var/lib/containerd": Filesystem(size, size, device),
    }
    assert [p.code for p in preflight(spec, fresh(spec, filesystems=filesystems))] == codes


def test_a_runtime_that_hangs_is_named_with_its_unit() -> None:
    spec = make_spec(1, 0)
    sockets = {"/run/containerd/containerd.sock": "gives no answer within 5 s", "/run/docker.sock": None}
    problem = only(spec, fresh(spec, runtime=sockets), "runtime-responds")
    assert problem.severity == "warning"
    assert problem.message == "containerd (/run/containerd/containerd.sock) gives no answer within 5 s"
    assert "systemctl restart containerd" in str(problem.hint)


def on(root: str) -> PhaseState:
    fingerprint = {"container_runtime": "containerd", "container_runtime_root": root}
    return PhaseState(fingerprint=fingerprint, finished="t", dirty=False)


def test_another_root_directory_is_refused_with_the_command_that_moves() -> None:
    spec = make_spec(1, 0, container_runtime_root="/data/containerd")
    problem = only(spec, fresh(spec, phases={"container_runtime": on("/var/lib/containerd")}), "runtime-root-changed")
    assert problem.severity == "error"
    assert "are in /var/lib/containerd, and container_runtime_root is /data/containerd" in problem.message
    assert str(problem.hint).startswith("`kprov runtime-root migrate --host cp1`")


@pytest.mark.parametrize(
    ("step", "severity", "hint"),
    [
        ("begun", "error", "`kprov runtime-root migrate --host cp1` goes on; `kprov runtime-root abort"),
        ("switching", "error", "`kprov runtime-root migrate --host cp1` goes on; `kprov runtime-root abort"),
        ("aborting", "error", "`kprov runtime-root abort --host cp1` goes on"),
        ("removing", "error", "`kprov runtime-root confirm --host cp1` goes on"),
        ("finished", "warning", "`kprov runtime-root confirm --host cp1` removes it"),
    ],
)
def test_a_move_is_named_until_it_is_confirmed(step: str, severity: str, hint: str) -> None:
    spec = make_spec(1, 0, container_runtime_root="/data/containerd")
    recorded = "/data/containerd" if step in ("finished", "removing") else "/var/lib/containerd"
    move = RuntimeRootMove("/var/lib/containerd", "/data/containerd", step, "2026-01-01T00:00:00Z", "2026-01-02", 2**30)
    states = fresh(spec, phases={"container_runtime": on(recorded)}, runtime_root=move)
    problem = only(spec, states, "runtime-root-move")
    assert problem.severity == severity
    assert str(problem.hint).startswith(hint)


@pytest.mark.parametrize(
    ("kind", "variables", "codes"),
    [
        ("ext4", {}, []),
        ("", {}, []),
        ("overlay", {}, ["runtime-filesystem"]),
        ("xfs, ftype=0", {}, ["runtime-filesystem"]),
        ("nfs4", {"container_runtime": "docker"}, ["runtime-filesystem"]),
        ("overlay", {"container_runtime": "docker", "container_runtime_docker_storage_driver": "vfs"}, []),
    ],
)
def test_containers_need_a_file_system_that_overlays_work_on(
    kind: str, variables: dict[str, str], codes: list[str]
) -> None:
    spec = make_spec(1, 0, **variables)
    root = str(spec.hosts[0].variables["container_runtime_root"])
    states = fresh(spec, filesystems={root: Filesystem(2**40, 2**40, "1", kind=kind)})
    assert [p.code for p in preflight(spec, states)] == codes
