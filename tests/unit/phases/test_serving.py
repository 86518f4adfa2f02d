"""Kubelets that ask for a serving certificate, in the plan."""

from __future__ import annotations

from dataclasses import replace

from kprov.phases.plan import build_plan
from kprov.phases.serving import kubelets
from kprov.remote.state import ClusterState, HostState
from kprov.spec.cluster import ClusterSpec
from tests.unit.factories import converged_states, make_spec

JOINED = ClusterState(joined=True, ca_sha256="aa", serving_certificate=True)


def asking(control_planes: int = 1, workers: int = 2) -> ClusterSpec:
    return make_spec(control_planes, workers, kubelet_server_tls_bootstrap=True)


def certified(spec: ClusterSpec, *without: str) -> dict[str, HostState]:
    """Everything as it should be, except that kubelets of some hosts have no certificate of the cluster."""
    states = converged_states(spec)
    have = {name: replace(state, cluster=JOINED) for name, state in states.items() if name not in without}
    return {**states, **have}


def test_kubelets_may_ask_for_what_the_inventory_says() -> None:
    spec = make_spec(1, 1, kubelet_server_names=["n.example.org"], kubelet_config={"port": 10350})
    assert kubelets(spec) == {}
    asking = make_spec(
        1, 0, kubelet_server_tls_bootstrap=True, kubelet_server_names=["fd00::1"], kubelet_config={"port": 10350}
    )
    assert kubelets(asking) == {"cp1": {"address": "10.1.0.1", "names": ["fd00::1"], "port": 10350}}


def test_with_all_their_certificates_there_is_nothing_to_do() -> None:
    spec = asking()
    assert build_plan(spec, certified(spec)).empty


def test_a_kubelet_without_one_is_a_reason_on_one_control_plane() -> None:
    spec = asking(3, 2)
    (step,) = build_plan(spec, certified(spec, "w1", "cp2")).steps
    assert (step.phase, step.host) == ("certificates", "cp1")
    assert step.reasons == ("no serving certificate of the cluster's yet: cp2, w1",)


def test_control_planes_learn_of_a_node_that_joins() -> None:
    before, after = asking(2, 1), asking(2, 2)
    states = certified(before)
    states["w2"] = certified(after)["w2"]
    plan = build_plan(after, states)
    assert plan.hosts_of("certificates") == ("cp1", "cp2")
    assert "input kubelets" in next(step for step in plan.steps if step.phase == "certificates").reasons[0]


def test_where_nobody_asks_a_missing_one_is_no_reason() -> None:
    spec = make_spec()
    assert build_plan(spec, converged_states(spec)).empty
