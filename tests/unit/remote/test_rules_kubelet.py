"""Preflight: what the kubelet is told, against what the machine has."""

from __future__ import annotations

from typing import Any

from kprov.errors import Problem
from kprov.remote.preflight import preflight
from kprov.reserve.capacity import Capacity
from tests.unit.factories import make_spec, make_state

GIB = 2**30


def problems(state: dict[str, Any], **variables: Any) -> list[Problem]:
    return preflight(make_spec(1, 0, **variables), {"cp1": make_state("cp1", **state)})


def test_a_machine_with_room_and_logind_is_silent() -> None:
    capacity = Capacity(4, 8 * GIB, ephemeral_storage=40 * GIB, image_storage=40 * GIB, pids=60000)
    assert problems({"capacity": capacity, "logind": True}) == []


def test_more_reserved_than_there_is_stops_before_any_change() -> None:
    capacity = Capacity(4, 8 * GIB)
    (problem,) = problems({"capacity": capacity}, kubelet_system_reserved={"memory": "8Gi"})
    assert (problem.severity, problem.code) == ("error", "reservation")
    assert problem.message == "10135Mi of memory reserved, but it has 8Gi: the kubelet would not start"


def test_last_word_of_kubelet_config_counts() -> None:
    own = {"systemReserved": {"memory": "8Gi"}}
    assert [p.code for p in problems({"capacity": Capacity(4, 8 * GIB)}, kubelet_config=own)] == ["reservation"]


def test_a_pod_that_may_take_every_process_is_a_warning() -> None:
    (problem,) = problems({"capacity": Capacity(4, 8 * GIB, pids=7000)})
    assert (problem.severity, problem.code) == ("warning", "pod-pids")
    assert problem.message.endswith("one pod have 4096 processes; all pods together have 4000")
    assert problems({"capacity": Capacity(4, 8 * GIB, pids=7000)}, kubelet_pod_pids_limit=2048) == []


def test_a_shutdown_that_nothing_delays_is_a_warning() -> None:
    (problem,) = problems({"logind": False})
    assert (problem.severity, problem.code) == ("warning", "shutdown-delay")
    assert problems({"logind": False}, kubelet_shutdown_grace_period=0) == []
    assert problems({"logind": None}) == []
