"""kprov_apply: when to apply, what to prune, when a workload runs."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import kprov_apply_record as records
from ansible.module_utils import kprov_rollout as rollout

DAEMON_SET = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "net", "namespace": "kube-system"}}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "net"}}


def live(item: dict, **metadata: object) -> dict:
    base = {"uid": f"uid of {item['kind']}", "resourceVersion": "7"}
    return {**item, "metadata": {**item["metadata"], **base, **metadata}}


def finished(objects: list[dict]) -> dict:
    entries = [records.entry(item, "/path") for item in objects]
    return records.document("lab", None, "digest", entries, dirty=False)


def test_nothing_to_apply_while_all_is_as_recorded() -> None:
    objects = [live(DAEMON_SET, generation=2), live(ROLE)]
    changed_status = [live(DAEMON_SET, generation=2, resourceVersion="99"), live(ROLE)]
    assert records.up_to_date(finished(objects), "digest", changed_status)


@pytest.mark.parametrize(
    "now",
    [
        [live(DAEMON_SET, generation=3), live(ROLE)],  # somebody edited the specification
        [live(DAEMON_SET, generation=2), live(ROLE, resourceVersion="8")],  # objects without a generation
        [live(DAEMON_SET, generation=2, uid="new"), live(ROLE)],  # deleted and made again
        [live(DAEMON_SET, generation=2)],  # deleted
    ],
)
def test_applies_when_an_object_is_not_as_recorded(now: list[dict]) -> None:
    assert not records.up_to_date(finished([live(DAEMON_SET, generation=2), live(ROLE)]), "digest", now)


def test_applies_when_the_manifest_changed_or_a_run_was_killed() -> None:
    objects = [live(DAEMON_SET, generation=2)]
    assert not records.up_to_date(finished(objects), "other digest", objects)
    assert not records.up_to_date({**finished(objects), "dirty": True}, "digest", objects)
    assert not records.up_to_date({}, "digest", [])


def test_prunes_what_is_no_longer_rendered_whatever_its_api_version() -> None:
    record = finished([live(DAEMON_SET, generation=1), live(ROLE)])
    newer = {**DAEMON_SET, "apiVersion": "apps/v2"}
    assert [entry["kind"] for entry in records.to_prune(record, [newer])] == ["ClusterRole"]


def test_killed_run_knows_what_it_was_about_to_make() -> None:
    record = records.document("lab", None, "digest", records.planned([ROLE]), dirty=True)
    assert [entry["name"] for entry in records.to_prune(record, [])] == ["net"]


def test_record_survives_the_config_map() -> None:
    record = finished([live(ROLE)])
    assert records.read(json.loads(json.dumps(records.config_map("network", record)))) == record
    assert records.read({}) == records.read({"data": {"record": "{"}}) == {}


def test_labels_are_added_and_kept() -> None:
    labelled = records.label([{**ROLE, "metadata": {"name": "net", "labels": {"a": "b"}}}])
    assert labelled[0]["metadata"]["labels"] == {"a": "b", records.MANAGED: "kprov"}
    assert "labels" not in ROLE["metadata"]


def daemon_set(desired: int, updated: int, available: int, observed: int = 2) -> dict:
    status = {
        "observedGeneration": observed,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }
    return {**DAEMON_SET, "metadata": {**DAEMON_SET["metadata"], "generation": 2}, "status": status}


def node(name: str, ready: str) -> dict:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def pod(node_name: str, ready: str) -> dict:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": f"net-{node_name}"}, "spec": {"nodeName": node_name}, "status": status}


def test_daemon_set_runs_when_its_status_says_so() -> None:
    assert rollout.unfinished(daemon_set(3, 3, 3)) is None
    assert rollout.unfinished(daemon_set(3, 3, 2)) == "2 of 3 pods run"
    assert rollout.unfinished(daemon_set(3, 1, 3)) == "1 of 3 pods are of the new version"
    assert rollout.unfinished(daemon_set(3, 3, 3, observed=1)) == "the controller has not seen it yet"
    assert rollout.unfinished(daemon_set(0, 0, 0)) == "no node has a pod of it yet"


def test_pods_on_nodes_that_are_down_do_not_count() -> None:
    nodes = [node("a", "True"), node("b", "False"), node("c", "Unknown")]
    down = [pod("a", "True"), pod("b", "True"), pod("c", "False")]
    assert rollout.problem_of(daemon_set(3, 2, 2), down, nodes) is None


def test_pods_on_nodes_without_a_network_do_count() -> None:
    nodes = [node("a", "True"), node("b", "False")]
    pods = [pod("a", "True"), pod("b", "False")]
    assert rollout.problem_of(daemon_set(2, 2, 1), pods, nodes) == "1 of 2 pods run"
