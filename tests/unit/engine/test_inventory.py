"""The inventory that is added beside the user's."""

from __future__ import annotations

import json

from kprov.engine.inventory import extra_vars, generated_inventory
from kprov.phases.catalog import PHASES
from kprov.phases.plan import build_plan
from kprov.remote.state import Unreachable
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
    assert extra_vars(plan, {})["control_plane_first"] == "cp1"
