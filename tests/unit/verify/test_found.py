"""kubectl's JSON as values."""

from __future__ import annotations

from kprov.verify.found import namespace_state, system_state
from tests.unit.verify.fakes import pod_of, recorded, unready


def test_recorded_cluster_is_understood() -> None:
    state = system_state(recorded("system"))
    assert sorted(state.nodes) == ["cp1", "w1", "w2"]
    assert all(node.ready and node.address for node in state.nodes.values())
    assert len(state.pods) == 12
    assert state.coredns == 2


def test_recorded_test_namespace_is_understood() -> None:
    state = namespace_state(recorded("test"), "target")
    assert sorted(state.of_app("probe")) == sorted(state.of_app("target")) == ["cp1", "w1", "w2"]
    assert state.service_ip.startswith("10.96.")
    assert 30000 <= state.node_port <= 32767
    assert state.endpoints == 3


def test_why_a_pod_waits_comes_from_its_container() -> None:
    items = recorded("test")
    pod = pod_of(items, "target", "w1")
    unready(pod)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    pod["status"]["containerStatuses"] = [{"name": "agnhost", "state": waiting}]
    found = namespace_state(items, "target").of_app("target")["w1"]
    assert not found.ready
    assert found.hopeless
    assert found.why == "ImagePullBackOff: Back-off pulling image"


def test_why_a_sandbox_is_not_made_comes_from_the_newest_event() -> None:
    items = recorded("test")
    pod = pod_of(items, "probe", "w2")
    unready(pod)
    pod["status"]["containerStatuses"] = [{"name": "agnhost", "state": {"waiting": {"reason": "ContainerCreating"}}}]
    for when, message in (
        ("2026-01-01T00:00:02Z", "failed to setup network: no podCIDR"),
        ("2026-01-01T00:00:01Z", "x"),
    ):
        items.append(
            {
                "kind": "Event",
                "type": "Warning",
                "metadata": {"name": when},
                "message": message,
                "lastTimestamp": when,
                "involvedObject": {"kind": "Pod", "name": pod["metadata"]["name"]},
            }
        )
    found = namespace_state(items, "target").of_app("probe")["w2"]
    assert found.why == "ContainerCreating: failed to setup network: no podCIDR"
    assert not found.hopeless


def test_pod_that_no_kubelet_has_touched_says_so() -> None:
    items = recorded("test")
    pod = pod_of(items, "target", "w2")
    pod["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    assert (
        namespace_state(items, "target").of_app("target")["w2"].why == "Pending: the kubelet has not begun to start it"
    )


def test_unscheduled_pod_of_a_daemon_set_belongs_to_the_node_it_is_meant_for() -> None:
    items = recorded("test")
    pod = pod_of(items, "target", "w2")
    del pod["spec"]["nodeName"]
    message = "0/3 nodes are available: 1 Too many pods"
    pod["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}],
    }
    assert namespace_state(items, "target").of_app("target")["w2"].why == f"Unschedulable: {message}"


def test_pod_that_is_being_deleted_does_not_count() -> None:
    items = recorded("test")
    pod_of(items, "target", "w1")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert "w1" not in namespace_state(items, "target").of_app("target")


def test_node_that_never_reported_is_not_ready() -> None:
    items = recorded("system")
    node = next(i for i in items if i["kind"] == "Node")
    node["status"] = {}
    found = system_state(items).nodes[node["metadata"]["name"]]
    assert not found.ready
    assert "never reported" in found.why
