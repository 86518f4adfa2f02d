"""The phase `node` in the plan: per host variables of a phase that runs once, and no cost where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kprov.phases.catalog import phase
from kprov.phases.inputs import inputs
from kprov.phases.plan import Plan, build_plan
from kprov.remote.state import Drift, HostState, PhaseState
from kprov.spec.cluster import ClusterSpec
from tests.unit.factories import converged_states, done, make_spec, make_state

LABELS = {"example.com/disk": "nvme"}


def with_variables(spec: ClusterSpec, host: str, **variables: Any) -> ClusterSpec:
    hosts = [replace(h, variables={**h.variables, **variables}) if h.name == host else h for h in spec.hosts]
    return replace(spec, hosts=tuple(hosts))


def with_record(states: dict[str, HostState], record: PhaseState | None) -> dict[str, HostState]:
    api = states["cp1"].api
    assert api
    phases = {name: state for name, state in api.phases.items() if name != "node"}
    if record:
        phases["node"] = record
    return {**states, "cp1": replace(states["cp1"], api=replace(api, phases=phases))}


def reasons(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {f"{s.phase} {s.host}": s.reasons for s in plan.steps}


def test_without_settings_and_without_a_record_it_never_runs() -> None:
    spec = make_spec(1, 1)
    assert not build_plan(spec, {h.name: make_state(h.name) for h in spec.hosts}).hosts_of("node")
    assert not build_plan(spec, converged_states(spec), verify_all=True).hosts_of("node")


def test_settings_run_it_once_on_the_control_plane_before_the_network() -> None:
    spec = with_variables(make_spec(1, 2), "w1", node_labels=LABELS)
    plan = build_plan(spec, {h.name: make_state(h.name) for h in spec.hosts})
    assert plan.hosts_of("node") == ("cp1",)
    names = [step.phase for step in plan.steps]
    assert names.index("worker") < names.index("node") < names.index("network")


def test_changed_variable_of_a_worker_is_named_with_its_host_and_touches_nothing_else() -> None:
    spec = make_spec(1, 2)
    before = with_variables(spec, "w1", node_labels=LABELS)
    after = with_variables(before, "w2", node_taints=[{"key": "k", "effect": "NoExecute"}])
    states = converged_states(before)
    assert build_plan(before, states).empty
    assert reasons(build_plan(after, states)) == {
        "node cp1": ("input node_taints of w2 (unset) -> [{'key': 'k', 'effect': 'NoExecute'}]",)
    }
    assert reasons(build_plan(spec, states)) == {
        "node cp1": ("input node_labels of w1 {'example.com/disk': 'nvme'} -> (unset)",)
    }


def test_force_alone_is_no_reason() -> None:
    assert build_plan(make_spec(1, 1, node_force_conflicts=True), converged_states(make_spec(1, 1))).empty


def test_drift_and_a_killed_run_are_reasons_even_when_nothing_is_set_any_more() -> None:
    spec = with_variables(make_spec(1, 1), "w1", node_labels=LABELS)
    fingerprint = inputs(phase("node"), spec, spec.host("cp1"))
    drifted = done(fingerprint, drift=(Drift("label a of Node w1", "missing"),))
    states = with_record(converged_states(spec), drifted)
    assert reasons(build_plan(spec, states)) == {"node cp1": ("label a of Node w1 is missing",)}
    killed = PhaseState(fingerprint=fingerprint, finished=None, dirty=True)
    bare = make_spec(1, 1)
    states = with_record(converged_states(bare), killed)
    assert reasons(build_plan(bare, states)) == {"node cp1": ("an earlier run did not finish",)}


def test_node_that_joins_in_this_run_brings_the_phase_along() -> None:
    spec = with_variables(make_spec(1, 2), "w1", node_labels=LABELS)
    states = converged_states(spec)
    api = states["cp1"].api
    assert api
    for gone, expected in (("w1", {"worker w1", "node cp1"}), ("w2", {"worker w2"})):
        nodes = {name: node for name, node in api.nodes.items() if name != gone}
        without = {**states, "cp1": replace(states["cp1"], api=replace(api, nodes=nodes))}
        found = reasons(build_plan(spec, without))
        assert set(found) == expected
        assert found.get("node cp1", ("joining in this run: w1",)) == ("joining in this run: w1",)


def test_kubelet_that_restarts_brings_it_along_where_there_are_extended_resources() -> None:
    spec = with_variables(make_spec(1, 2), "w1", node_extended_resources={"example.com/x": 2})
    spec = with_variables(spec, "w2", node_labels=LABELS)
    states = converged_states(spec)
    for host, count in (("w1", 1), ("w2", 0)):
        phases = states[host].phases
        stopped = replace(phases["kubelet"], drift=(Drift("kubelet.service", "inactive"),))
        spoilt = {**states, host: replace(states[host], phases={**phases, "kubelet": stopped})}
        plan = build_plan(spec, spoilt)
        assert len(plan.hosts_of("node")) == count
        assert plan.hosts_of("kubelet") == (host,)


def test_control_plane_that_cannot_be_asked_is_no_reason_without_settings() -> None:
    for spec, expected in ((make_spec(1, 1), ()), (make_spec(1, 1, node_labels=LABELS), ("cp1",))):
        states = converged_states(spec)
        api = states["cp1"].api
        assert api
        dead = {**states, "cp1": replace(states["cp1"], api=replace(api, reachable=False, nodes={}, phases={}))}
        assert build_plan(spec, dead).hosts_of("node") == expected
