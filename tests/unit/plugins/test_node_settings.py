"""kprov_node: what is kprov's on a Node, what is not, and what a patch says."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils import kprov_node_settings as settings

CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}


def node(
    labels: dict | None = None,
    taints: list | None = None,
    capacity: dict | None = None,
    annotations: dict | None = None,
) -> dict:
    return {
        "metadata": {
            "name": "w1",
            "uid": "u1",
            "resourceVersion": "7",
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": {"taints": taints or []},
        "status": {"capacity": {"cpu": "2", **(capacity or {})}},
    }


def recorded(labels: dict, own: list[str] | None = None, before: dict | None = None) -> dict:
    entry = settings.entry("u1", {"labels": labels}, {"labels": list(labels) if own is None else own})
    return {**entry, "before": {"labels": before}} if before else entry


def merge(wanted: dict, there: dict, record: dict | None = None, *, force: bool = False) -> Any:
    return settings.merge(wanted, settings.read(there), record or {}, force)


def test_what_is_missing_is_set_and_then_kprovs() -> None:
    plan = merge({"labels": {"a": "1"}}, node())
    assert plan.set == {"labels": {"a": "1"}}
    assert plan.own == {"labels": ["a"]}


def test_what_was_there_already_is_not_kprovs_and_stays_when_nobody_wants_it_any_more() -> None:
    plan = merge({"labels": {"a": "1"}}, node({"a": "1"}))
    assert (plan.due, plan.own) == (False, {})
    later = merge({}, node({"a": "1"}), recorded({"a": "1"}, own=[]))
    assert not later.due


def test_second_run_does_nothing_and_keeps_what_is_kprovs() -> None:
    plan = merge({"labels": {"a": "1"}}, node({"a": "1"}), recorded({"a": "1"}))
    assert (plan.due, plan.own) == (False, {"labels": ["a"]})


def test_what_nobody_wants_any_more_is_removed_and_nothing_else() -> None:
    plan = merge({"labels": {"b": "2"}}, node({"a": "1", "b": "2", "foreign": "x"}), recorded({"a": "1", "b": "2"}))
    assert plan.remove == {"labels": {"a": "1"}}
    assert not plan.set


def test_own_value_that_somebody_changed_is_mended_while_it_is_wanted_and_left_when_it_is_not() -> None:
    changed = node({"a": "theirs"})
    assert merge({"labels": {"a": "1"}}, changed, recorded({"a": "1"})).set == {"labels": {"a": "1"}}
    dropped = merge({}, changed, recorded({"a": "1"}))
    assert (dropped.due, dropped.left) == (False, [("labels", "a")])


@pytest.mark.parametrize("record", [{}, recorded({"a": "1"}, own=[])])
def test_other_value_of_somebody_else_is_a_conflict_unless_forced(record: dict) -> None:
    plan = merge({"labels": {"a": "1"}}, node({"a": "theirs"}), record)
    assert (plan.due, plan.conflicts) == (False, [("labels", "a", "theirs")])
    forced = merge({"labels": {"a": "1"}}, node({"a": "theirs"}), record, force=True)
    assert (forced.set, forced.own, forced.conflicts) == ({"labels": {"a": "1"}}, {"labels": ["a"]}, [])


@pytest.mark.parametrize("there", [{"a": "1"}, {"a": "2"}])
def test_killed_run_owns_what_it_may_have_reached(there: dict) -> None:
    first = merge({"labels": {"a": "2"}}, node({"a": "1"}), recorded({"a": "1"}))
    killed = settings.planned("u1", {"labels": {"a": "2"}}, first, recorded({"a": "1"}))
    assert merge({"labels": {"a": "2"}}, node(there), killed).own == {"labels": ["a"]}
    assert merge({}, node(there), killed).remove == {"labels": there}


def test_killed_run_that_was_about_to_remove_still_owns_it() -> None:
    killed = settings.planned("u1", {}, merge({}, node({"a": "1"}), recorded({"a": "1"})), recorded({"a": "1"}))
    assert merge({}, node({"a": "1"}), killed).remove == {"labels": {"a": "1"}}


def test_taint_patch_keeps_others_untouched_and_in_order_and_is_tied_to_what_was_read() -> None:
    there = node(taints=[{"key": "old", "value": "1", "effect": "NoSchedule"}, CORDONED])
    record = settings.entry("u1", {"taints": {"old:NoSchedule": "1"}}, {"taints": ["old:NoSchedule"]})
    plan = merge({"taints": {"new:NoExecute": "", "old:PreferNoSchedule": "v"}}, there, record)
    main, status = settings.patches(there, plan)
    assert main["spec"]["taints"] == [
        CORDONED,
        {"key": "new", "effect": "NoExecute"},
        {"key": "old", "value": "v", "effect": "PreferNoSchedule"},
    ]
    assert main["metadata"] == {"uid": "u1", "resourceVersion": "7"}
    assert not status


def test_last_taint_leaves_no_empty_list() -> None:
    there = node(taints=[{"key": "old", "effect": "NoSchedule"}])
    record = settings.entry("u1", {"taints": {"old:NoSchedule": ""}}, {"taints": ["old:NoSchedule"]})
    assert settings.patches(there, merge({}, there, record))[0]["spec"] == {"taints": None}


def test_labels_are_patched_key_by_key_without_a_version() -> None:
    there = node({"a": "1", "foreign": "x"})
    main, _ = settings.patches(there, merge({"labels": {"b": "2"}}, there, recorded({"a": "1"})))
    assert main == {"metadata": {"uid": "u1", "labels": {"b": "2", "a": None}}}


def test_extended_resources_compare_as_amounts_and_go_to_the_status() -> None:
    wanted = {"extended_resources": {"example.com/x": "2000"}}
    assert not merge(wanted, node(capacity={"example.com/x": "2k"})).due
    there = node()
    main, status = settings.patches(there, merge(wanted, there))
    amounts = {"example.com/x": "2000"}
    assert (main, status) == ({}, {"status": {"capacity": amounts, "allocatable": amounts}})
    shown = settings.as_shown(wanted, settings.read(node(capacity={"example.com/x": "2k"})))
    assert shown["extended_resources"] == {"example.com/x": "2k"}


def test_resource_that_a_new_kubelet_set_to_zero_is_nobodys() -> None:
    plan = merge({"extended_resources": {"example.com/x": "2"}}, node(capacity={"example.com/x": "0"}))
    assert plan.set == {"extended_resources": {"example.com/x": "2"}}


def test_kubernetes_own_resources_are_not_looked_at() -> None:
    assert settings.read(node(capacity={"hugepages-2Mi": "0", "a.kubernetes.io/b": "1"}))["extended_resources"] == {}


def test_who_set_a_value() -> None:
    fields = {"f:metadata": {"f:labels": {"f:a": {}}}}
    managed = node({"a": "1"})
    managed["metadata"]["managedFields"] = [
        {"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:labels": {"f:b": {}}}}},
        {"manager": "kubectl-label", "fieldsV1": fields},
    ]
    assert settings.manager(managed, "labels", "a") == "kubectl-label"
    assert settings.manager(managed, "taints", "a:NoSchedule") is None


def test_missing_after_the_patch_is_named() -> None:
    wanted = {"labels": {"a": "1"}, "taints": {"k:NoSchedule": ""}}
    assert settings.unfulfilled(wanted, settings.read(node({"a": "2"}))) == ["label a", "taint k:NoSchedule"]


Plugin = Callable[[str, str], ModuleType]


def test_variables_of_a_host_become_one_form(plugin: Plugin) -> None:
    action = plugin("action", "kprov_node")
    variables = {
        "node_labels": {"a": 1},
        "node_taints": [{"key": "k", "effect": "NoSchedule"}],
        "node_annotations": {},
        "node_extended_resources": {"example.com/x": "2"},
    }
    assert action.settings("w1", variables) == {
        "labels": {"a": "1"},
        "taints": {"k:NoSchedule": ""},
        "extended_resources": {"example.com/x": "2"},
        "force": False,
    }
    assert action.settings("w1", {"node_labels": {}, "node_force_conflicts": True}) == {}


@pytest.mark.parametrize(
    "variables",
    [
        {"node_labels": {"a": True}},
        {"node_labels": ["a"]},
        {"node_taints": ["k=v:NoSchedule"]},
        {"node_taints": [{"key": "k"}]},
        {"node_extended_resources": {"example.com/x": 1.5}},
    ],
)
def test_wrong_variables_of_a_run_by_hand_are_refused(plugin: Plugin, variables: dict) -> None:
    with pytest.raises(AnsibleActionFail):
        plugin("action", "kprov_node").settings("w1", variables)
