"""`kprov runtime-root`: which control plane is asked, and when there is nothing to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kprov.commands.runtime_root import _control_plane, _nothing_to_do
from kprov.remote.state import ApiState, HostState, RuntimeRootMove
from kprov.runtime_root.judge import Look
from tests.unit.factories import converged_states, make_host, make_spec

MOVE = RuntimeRootMove("/var/lib/containerd", "/data/containerd", "finished", "t0", "t1")


def states_of(spec: Any, *down: str) -> dict[str, HostState]:
    states = converged_states(spec)
    dead = ApiState(reachable=False, error="no answer")
    return {name: replace(state, api=dead) if name in down else state for name, state in states.items()}


@pytest.mark.parametrize(
    ("host", "down", "asked"),
    [
        ("w1", (), "cp1"),
        ("w1", ("cp1",), "cp2"),
        ("cp1", (), "cp2"),
        ("cp2", (), "cp1"),
        ("cp1", ("cp2", "cp3"), "cp1"),
        ("cp1", ("cp1", "cp2", "cp3"), "cp1"),
    ],
)
def test_a_control_plane_that_answers_and_stays_is_asked(host: str, down: tuple[str, ...], asked: str) -> None:
    spec = make_spec(3, 1)
    assert _control_plane(spec, states_of(spec, *down), spec.host(host)) == asked


def look(move: RuntimeRootMove | None, root: str, wanted: str) -> Look:
    return Look(make_host("w1", "kube_node", container_runtime_root=wanted), {"root": root}, move)


@pytest.mark.parametrize(
    ("move", "root", "wanted", "said"),
    [
        (None, "/data/containerd", "/data/containerd/", "nothing to move: it is in /data/containerd already"),
        (None, "/var/lib/containerd", "/data/containerd", None),
        (
            MOVE,
            "/data/containerd",
            "/data/containerd",
            "moved on t1; `kprov runtime-root confirm` removes /var/lib/con",
        ),
        (MOVE, "/data/containerd", "/other", None),
        (replace(MOVE, step="switched"), "/data/containerd", "/data/containerd", None),
    ],
)
def test_nothing_to_do_is_said_only_when_it_is_so(
    move: RuntimeRootMove | None, root: str, wanted: str, said: str | None
) -> None:
    found = _nothing_to_do(look(move, root, wanted))
    assert found is None if said is None else str(found).startswith(said)
