"""What the probe says about Nodes that no longer have what kprov set on them."""

from __future__ import annotations

from typing import Any

from kprov.remote.node.node_settings import drift

VALUES = {
    "labels": {"a": "1"},
    "annotations": {"note": "text"},
    "taints": {"k:NoSchedule": "v"},
    "extended_resources": {"example.com/x": "2k"},
}


def node(uid: str = "u1", **changes: Any) -> dict[str, Any]:
    parts = {
        "labels": {"a": "1", "foreign": "x"},
        "annotations": {"note": "text"},
        "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "other", "effect": "NoExecute"}],
        "capacity": {"cpu": "2", "example.com/x": "2k"},
        **changes,
    }
    metadata = {"name": "w1", "uid": uid, "labels": parts["labels"], "annotations": parts["annotations"]}
    return {"metadata": metadata, "spec": {"taints": parts["taints"]}, "status": {"capacity": parts["capacity"]}}


def found(live: dict[str, Any], uid: str | None = "u1") -> list[str]:
    entries = {"w1": {"uid": uid, "values": VALUES, "own": {}}}
    return [f"{d['what']} {d['problem']}" for d in drift(entries, [live])]


def test_nothing_while_all_is_there_whatever_else_is() -> None:
    assert found(node()) == []
    assert found(node(uid="u2")) == []


def test_each_thing_is_named_with_its_values() -> None:
    assert found(node(labels={"a": "2"}, annotations=None, taints=None, capacity={"example.com/x": "0"})) == [
        "label a of Node w1 is '2', not '1'",
        "annotation note of Node w1 missing",
        "taint k:NoSchedule of Node w1 missing",
        "extended resource example.com/x of Node w1 is '0', not '2k'",
    ]


def test_new_node_is_one_line() -> None:
    bare = node(uid="u2", labels={}, annotations={}, taints=[], capacity={"example.com/x": "2k"})
    line = "Node w1 is new, without label a, annotation note, taint k:NoSchedule"
    assert found(bare) == [line]
    assert found(bare, uid=None) == [line]


def test_node_that_is_not_there_or_has_nothing_of_kprovs_is_no_drift() -> None:
    assert drift({"gone": {"uid": "u", "values": VALUES}}, [node(labels={})]) == []


def test_long_values_are_cut() -> None:
    (line,) = found(node(annotations={"note": "x" * 1000}))
    assert len(line) < 200
