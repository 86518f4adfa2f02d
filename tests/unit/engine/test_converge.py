"""What is left of a plan after a host has failed."""

from __future__ import annotations

from kprov.engine.converge import Converged, Request, _held
from kprov.engine.events import Event
from kprov.phases.plan import build_plan
from tests.unit.factories import converged_states, make_spec, make_state


def test_after_a_kubelet_that_did_not_come_back_no_other_working_node_is_touched() -> None:
    states = {**converged_states(make_spec(1, 3)), "w3": make_state("w3")}
    spec = make_spec(1, 3, kubelet_max_pods=42)
    rest = build_plan(spec, states, without={"w1"})
    assert rest.hosts_of("kubelet") == ("cp1", "w2", "w3")
    done = Converged(failures=[Event("failed", phase="kubelet", host="w1", msg="kubelet.service did not stay up")])
    request = Request("up", spec, states, replan=lambda failed: rest, on_event=lambda event: None)
    held = _held(request, rest, done)
    assert held.hosts_of("kubelet") == ("w3",)  # a new machine: nobody relies on it yet
    assert held.hosts_of("worker") == ("w3",)
    reason = "kubelet: left as it is, because it failed on w1"
    assert done.held == {"cp1": reason, "w2": reason}


def test_failures_elsewhere_hold_nobody_back() -> None:
    spec = make_spec(1, 2, kubelet_max_pods=42)
    states = converged_states(make_spec(1, 2))
    rest = build_plan(spec, states, without={"w1"})
    done = Converged(failures=[Event("unreachable", phase="os", host="w1")])
    request = Request("up", spec, states, replan=lambda failed: rest, on_event=lambda event: None)
    assert _held(request, rest, done).steps == rest.steps
    assert done.held == {}
