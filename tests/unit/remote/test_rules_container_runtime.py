"""Switching the runtime, and the disk of the images."""

from __future__ import annotations

import pytest

from kprov.remote.state import ClusterState, Filesystem, PhaseState
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
