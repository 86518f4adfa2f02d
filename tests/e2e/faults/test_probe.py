"""The probe against real nodes: it sees what a run left, and every way in which it is not so any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kprov.remote.preflight import preflight
from kprov.remote.probe import probe
from kprov.remote.ssh import Connections
from kprov.remote.state import Drift, HostState, ProbeResult, Unreachable
from kprov.spec.cluster import ClusterSpec, Connection
from kprov.spec.load import load_spec
from tests.e2e.cluster import LabCluster


@pytest.fixture(scope="module")
def spec(cluster: LabCluster) -> ClusterSpec:
    return load_spec(cluster.inventory)


@pytest.fixture
def repaired(cluster: LabCluster) -> Iterator[None]:
    """Whatever the test spoils is put back by the next run."""
    yield
    cluster.up()


def states(spec: ClusterSpec) -> dict[str, HostState]:
    found = probe(spec.hosts)
    assert all(isinstance(state, HostState) for state in found.values()), found
    return {name: state for name, state in found.items() if isinstance(state, HostState)}


def drift(state: HostState, phase: str) -> tuple[Drift, ...]:
    return state.phases[phase].drift


def login(spec: ClusterSpec, name: str, **values: object) -> dict[str, ProbeResult]:
    """The probe of one host with another connection."""
    host = spec.host(name)
    connection: Connection = replace(host.connection, **values)  # type: ignore[arg-type]
    return probe([replace(host, connection=connection)])


def test_converged_cluster(cluster: LabCluster, spec: ClusterSpec) -> None:
    found = states(spec)
    for name, state in found.items():
        assert state.errors == ()
        assert state.records_cluster == cluster.name
        assert state.cluster.joined
        assert state.cluster.kubelet_version
        for phase, record in state.phases.items():
            assert not record.dirty, (name, phase)
            assert record.drift == (), (name, phase)
    assert len({state.cluster.ca_sha256 for state in found.values()}) == 1
    api = found[cluster.node("cp1")].api
    assert api is not None
    assert api.reachable, api.error
    assert set(api.nodes) == set(found)
    assert all(node.ready for node in api.nodes.values())
    assert api.phases["network"].drift == ()
    assert [p for p in preflight(spec, found) if p.severity == "error"] == []


def test_file_unit_setting_and_image(cluster: LabCluster, spec: ClusterSpec, repaired: None) -> None:
    """A file of the same size and time of change, a stopped unit, a kernel setting, an image that is gone."""
    file = "/etc/sysctl.d/90-kprov.conf"
    cluster.ssh("w1", f"touch -r {file} /tmp/time; sed -i '$ s/.$/X/' {file}; touch -r /tmp/time {file}")
    cluster.ssh("w1", "sysctl -qw net.ipv4.ip_forward=0; systemctl stop kubelet")
    image = cluster.ssh("w1", "ctr -n k8s.io images ls -q | grep /pause:").strip()
    cluster.ssh("w1", f"ctr -n k8s.io images rm {image}")
    found = states(spec)
    state = found[cluster.node("w1")]
    assert set(drift(state, "os")) == {Drift(file, "differs"), Drift("net.ipv4.ip_forward", "is 0, not 1")}
    assert drift(state, "kubelet") == (Drift("kubelet.service", "inactive"),)
    assert drift(state, "kubernetes") == (Drift(image, "missing"),)
    others = [s for name, s in found.items() if name != state.hostname]
    assert all(record.drift == () for other in others for record in other.phases.values())


def test_object_in_the_cluster(cluster: LabCluster, spec: ClusterSpec, repaired: None) -> None:
    patch = '{"spec":{"minReadySeconds":1}}'
    cluster.kubectl("-n", "kube-system", "patch", "daemonset", "kube-router", "--patch", patch)
    cluster.kubectl("delete", "clusterrolebinding", "kube-router")
    api = states(spec)[cluster.node("cp1")].api
    assert api is not None
    found = {(d.what.partition(" ")[0], d.problem) for d in api.phases["network"].drift}
    assert found == {("DaemonSet", "changed"), ("ClusterRoleBinding", "missing")}


def test_api_server_that_is_gone_costs_no_more_than_its_answer(
    cluster: LabCluster, spec: ClusterSpec, repaired: None
) -> None:
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    cluster.ssh("cp1", f"mv {manifest} /root/")
    try:
        cluster.ssh("cp1", "for i in $(seq 100); do ss -ltn | grep -q :6443 || exit 0; sleep 0.3; done; exit 1")
        api = states(spec)[cluster.node("cp1")].api
        assert api is not None
        assert not api.reachable
        assert "refused" in (api.error or "")
    finally:
        cluster.ssh("cp1", f"mv /root/kube-apiserver.yaml {manifest}")
        cluster.ssh("cp1", "for i in $(seq 200); do ss -ltn | grep -q :6443 && exit 0; sleep 0.3; done; exit 1")


def test_sudo_with_and_without_its_password(cluster: LabCluster, spec: ClusterSpec) -> None:
    name = cluster.node("w2")
    password = (Path(cluster.inventory).parent / "sudo_password").read_text().strip()
    assert isinstance(login(spec, name, user="sudoer", become_password=password)[name], HostState)
    for values in ({"become_password": "wrong"}, {}):
        result = login(spec, name, user="sudoer", **values)[name]
        assert isinstance(result, Unreachable)
        assert result.kind == "sudo"


def test_nothing_is_written_on_the_nodes(cluster: LabCluster, spec: ClusterSpec) -> None:
    look = "find / -xdev -newer /tmp/before -type f -not -path '/var/log/*' -not -path '/tmp/*'; true"
    cluster.ssh("w2", "touch /tmp/before; sleep 1.1; touch -d '-1 second' /tmp/before")
    with Connections() as connections:
        for _ in range(2):
            probe([spec.host(cluster.node("w2"))], connections=connections)
    written = cluster.ssh("w2", look).split()
    assert [path for path in written if "kprov" in path or path.startswith(("/etc", "/usr", "/root", "/home"))] == []
