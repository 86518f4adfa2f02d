"""The inventory that is added beside the user's."""

from __future__ import annotations

import json

from kprov.engine.inventory import extra_vars, generated_inventory
from kprov.phases.catalog import PHASES
from kprov.phases.plan import build_plan
from kprov.remote.state import Unreachable
from kprov.reserve.capacity import Capacity
from tests.unit.factories import converged_states, make_spec, make_state


def test_todo_groups_hold_exactly_the_hosts_of_the_plan() -> None:
    spec = make_spec(1, 2)
    states = {**converged_states(spec), "w2": make_state("w2")}
    plan = build_plan(spec, states)
    generated = generated_inventory(spec, states, plan)
    groups = generated["all"]["children"]
    assert list(groups["todo_os"]["hosts"]) == ["w2"]
    assert not groups["todo_control_plane"]["hosts"]
    assert set(groups) == {p.group for p in PHASES}
    json.dumps(generated)


def test_host_that_did_not_answer_is_in_no_group() -> None:
    spec = make_spec(1, 1)
    states = {"cp1": make_state("cp1"), "w1": Unreachable("unreachable", "timed out")}
    generated = generated_inventory(spec, states, build_plan(spec, states))
    assert "w1" not in generated["all"]["hosts"]
    assert all("w1" not in group["hosts"] for group in generated["all"]["children"].values())


def test_fingerprints_travel_with_the_phases_that_run() -> None:
    spec = make_spec(1, 1, kubelet_max_pods=42)
    states = {h.name: make_state(h.name) for h in spec.hosts}
    plan = build_plan(spec, states)
    hosts = generated_inventory(spec, states, plan)["all"]["hosts"]
    assert hosts["w1"]["kprov_fingerprints"]["kubelet"]["kubelet_max_pods"] == 42
    assert extra_vars(plan, states)["control_plane_first"] == "cp1"


def test_kubelets_of_working_nodes_are_restarted_one_by_one_and_new_machines_at_once() -> None:
    spec = make_spec(1, 2)
    fresh = {h.name: make_state(h.name) for h in spec.hosts}
    assert extra_vars(build_plan(spec, fresh), fresh)["serial_kubelet"] == "100%"
    working = converged_states(spec)
    changed = build_plan(make_spec(1, 2, kubelet_max_pods=42), working)
    assert extra_vars(changed, working)["serial_kubelet"] == 1


def test_size_of_the_machine_travels_to_the_role() -> None:
    spec = make_spec(1, 0)
    states = {"cp1": make_state("cp1", capacity=Capacity(4, 8 * 2**30))}
    hosts = generated_inventory(spec, states, build_plan(spec, states))["all"]["hosts"]
    assert hosts["cp1"]["node"]["capacity"]["memory"] == 8 * 2**30


def test_what_roles_need_not_ask_again_travels_only_when_it_is_known() -> None:
    spec = make_spec(1, 1)
    states = {"cp1": make_state("cp1", artifacts=False, firewalls=("ufw",)), "w1": make_state("w1")}
    hosts = generated_inventory(spec, states, build_plan(spec, states))["all"]["hosts"]
    assert (hosts["cp1"]["node"]["artifacts"], hosts["cp1"]["node"]["firewalls"]) == (False, ["ufw"])
    assert not {"artifacts", "firewalls"} & set(hosts["w1"]["node"])
