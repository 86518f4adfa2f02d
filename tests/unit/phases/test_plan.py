"""What is in the plan, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kprov.phases.catalog import PHASES, phase
from kprov.phases.inputs import inputs
from kprov.phases.plan import Plan, build_plan
from kprov.remote.state import ClusterState, Drift, HostState, ProbeResult, Unreachable
from kprov.reserve.capacity import Capacity
from tests.unit.factories import converged_states, make_host, make_spec, make_state


def fresh(spec: Any) -> dict[str, ProbeResult]:
    return {h.name: make_state(h.name) for h in spec.hosts}


def reasons(plan: Plan) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(s.phase, s.host): s.reasons for s in plan.steps}


def with_record(state: HostState, phase: str, **changes: Any) -> HostState:
    return replace(state, phases={**state.phases, phase: replace(state.phases[phase], **changes)})


def test_new_hosts_get_every_phase_of_their_role_in_catalog_order() -> None:
    spec = make_spec(1, 2)
    plan = build_plan(spec, fresh(spec))
    assert plan.hosts_of("os") == ("cp1", "w1", "w2")
    assert plan.hosts_of("control_plane") == ("cp1",)
    assert plan.hosts_of("worker") == ("w1", "w2")
    assert plan.hosts_of("network") == ("cp1",)
    order = [p.name for p in PHASES]
    assert [s.phase for s in plan.steps] == sorted((s.phase for s in plan.steps), key=order.index)
    assert reasons(plan)["os", "w1"] == ("new host",)


def test_converged_cluster_has_nothing_to_do() -> None:
    spec = make_spec(3, 2)
    assert build_plan(spec, converged_states(spec)).empty


def test_verify_all_runs_every_phase_on_a_converged_cluster() -> None:
    spec = make_spec(1, 1, node_labels={"a": "b"})
    plan = build_plan(spec, converged_states(spec), verify_all=True)
    assert {s.phase for s in plan.steps} == {p.name for p in PHASES}


def test_changed_input_names_the_variable_and_both_values_and_touches_only_the_phases_that_read_it() -> None:
    states = converged_states(make_spec(1, 1, kubelet_max_pods=110))
    plan = build_plan(make_spec(1, 1, kubelet_max_pods=150), states)
    assert reasons(plan) == {
        ("kubelet", "cp1"): ("input kubelet_max_pods 110 -> 150",),
        ("kubelet", "w1"): ("input kubelet_max_pods 110 -> 150",),
    }


def test_size_of_a_machine_is_an_input_of_the_kubelet_only() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    small, big = (Capacity(4, gib * 2**30) for gib in (8, 16))
    w1 = inputs(phase("kubelet"), spec, spec.host("w1"), small)
    states["w1"] = replace(with_record(states["w1"], "kubelet", fingerprint=w1), capacity=small)
    assert build_plan(spec, states).empty
    states["w1"] = replace(states["w1"], capacity=big)
    found = reasons(build_plan(spec, states))
    assert list(found) == [("kubelet", "w1")]
    assert found["kubelet", "w1"][0].startswith("input kube_reserved {'cpu': '80m', 'memory': '1843Mi'")


def test_a_little_less_memory_after_a_new_kernel_changes_nothing() -> None:
    spec = make_spec(1, 0)
    sizes = [Capacity(4, 8 * 2**30 + kib * 1024, ephemeral_storage=10**12 + kib) for kib in (0, 400)]
    one, other = (inputs(phase("kubelet"), spec, spec.host("cp1"), size) for size in sizes)
    assert one == other


def test_drift_names_the_file_and_touches_only_that_phase_on_that_host() -> None:
    spec = make_spec(1, 2)
    states = converged_states(spec)
    states["w2"] = with_record(states["w2"], "kubelet", drift=(Drift("/etc/crictl.yaml", "differs"),))
    assert reasons(build_plan(spec, states)) == {("kubelet", "w2"): ("/etc/crictl.yaml differs",)}


def test_stopped_unit_is_a_reason() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    states["w1"] = with_record(states["w1"], "container_runtime", drift=(Drift("containerd.service", "inactive"),))
    assert reasons(build_plan(spec, states)) == {
        ("container_runtime", "w1"): ("containerd.service is inactive",),
    }


def test_dirty_record_runs_the_phase_again() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    states["w1"] = with_record(states["w1"], "os", dirty=True)
    assert reasons(build_plan(spec, states)) == {("os", "w1"): ("an earlier run did not finish",)}


def test_record_without_inputs_runs_the_phase_again() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    states["w1"] = with_record(states["w1"], "os", fingerprint=None)
    assert ("os", "w1") in reasons(build_plan(spec, states))


def test_added_worker_touches_no_other_host() -> None:
    states: dict[str, ProbeResult] = dict(converged_states(make_spec(1, 2)))
    states["w3"] = make_state("w3")
    plan = build_plan(make_spec(1, 3), states)
    assert {s.host for s in plan.steps} == {"w3"}
    assert plan.first_control_plane == "cp1"


def test_node_object_that_was_deleted_is_a_reason_to_join_again() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    api = states["cp1"].api
    assert api
    nodes = {n: v for n, v in api.nodes.items() if n != "w1"}
    states["cp1"] = replace(states["cp1"], api=replace(api, nodes=nodes))
    assert reasons(build_plan(spec, states)) == {("worker", "w1"): ("the cluster has no Node of this name",)}


def test_unreachable_worker_blocks_nobody() -> None:
    spec = make_spec(1, 2)
    states = fresh(spec)
    states["w2"] = Unreachable("unreachable", "timed out")
    plan = build_plan(spec, states)
    assert {s.host for s in plan.steps} == {"cp1", "w1"}
    assert set(plan.unreachable) == {"w2"}


def test_second_cluster_is_never_created_while_a_control_plane_that_may_hold_one_is_away() -> None:
    spec = make_spec(3, 1)
    states = fresh(spec)
    states["cp1"] = Unreachable("unreachable", "timed out")
    plan = build_plan(spec, states)
    assert plan.first_control_plane is None
    assert not plan.hosts_of("control_plane")
    assert {b.phase for b in plan.blocked} == {"control_plane", "worker", "network"}
    assert all("cp1" in b.why for b in plan.blocked)
    assert plan.hosts_of("os") == ("cp2", "cp3", "w1")


def test_cluster_goes_on_through_another_control_plane_when_the_first_is_away() -> None:
    states: dict[str, ProbeResult] = dict(converged_states(make_spec(3, 1)))
    states["cp1"] = Unreachable("unreachable", "timed out")
    states["w2"] = make_state("w2")
    plan = build_plan(make_spec(3, 2), states)
    assert plan.first_control_plane == "cp2"
    assert {s.host for s in plan.steps} == {"w2"}


def test_interrupted_creation_goes_on_where_it_began() -> None:
    spec = make_spec(2, 0, control_plane_schedulable=True)
    states = fresh(spec)
    states["cp2"] = make_state("cp2", cluster=ClusterState(ca_sha256="aa"))
    plan = build_plan(spec, states)
    assert plan.first_control_plane == "cp2"
    assert plan.hosts_of("control_plane") == ("cp2", "cp1")


def test_dead_api_means_unknown_and_therefore_run() -> None:
    spec = make_spec(1, 1)
    states = converged_states(spec)
    api = states["cp1"].api
    assert api
    states["cp1"] = replace(states["cp1"], api=replace(api, reachable=False))
    assert ("network", "cp1") in reasons(build_plan(spec, states))


@pytest.mark.parametrize(
    ("limit", "only", "expected"),
    [
        (("w1",), (), {"w1"}),
        ((), ("os",), {"cp1", "w1", "w2"}),
        (("w1",), ("os",), {"w1"}),
    ],
)
def test_limit_and_only_narrow_the_plan(limit: tuple[str, ...], only: tuple[str, ...], expected: set[str]) -> None:
    spec = make_spec(1, 2)
    plan = build_plan(spec, fresh(spec), limit=limit, only=only)
    assert {s.host for s in plan.steps} == expected
    if only:
        assert {s.phase for s in plan.steps} == set(only)


def test_one_host_more_adds_only_its_own_steps() -> None:
    few, many = make_spec(1, 2), make_spec(1, 3)
    steps_of = {(s.phase, s.host) for s in build_plan(many, fresh(many)).steps}
    assert steps_of - {(s.phase, s.host) for s in build_plan(few, fresh(few)).steps} == {
        (p.name, "w3") for p in PHASES if p.hosts in {"k8s_cluster", "worker"}
    }


def test_host_in_both_groups_is_a_control_plane_and_not_a_worker() -> None:
    spec = make_spec(1, 0)
    both = make_host("both", "kube_control_plane", "kube_node", index=9)
    spec = replace(spec, hosts=(*spec.hosts, both))
    plan = build_plan(spec, fresh(spec))
    assert "both" in plan.hosts_of("control_plane")
    assert "both" not in plan.hosts_of("worker")
