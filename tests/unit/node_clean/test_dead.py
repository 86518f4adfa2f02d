"""Which containers and sandboxes the kubelet does not need: on a recorded node, changed in one respect per test."""

from __future__ import annotations

from dataclasses import replace

from kprov.node_clean.dead import dead_containers, dead_sandboxes, gone_pods
from kprov.node_clean.seen import EXITED, Container, Sandbox, Seen
from tests.unit.node_clean import recording


def containers(seen: Seen) -> list[str]:
    return [f"{one.name} {one.attempt}: {why}" for one, why in dead_containers(seen)]


def sandboxes(seen: Seen) -> list[str]:
    dead = {one.id for one, _ in dead_containers(seen)}
    return [f"{one.pod_name} {one.attempt}: {why}" for one, why in dead_sandboxes(seen, dead)]


def container(seen: Seen, name: str, attempt: int) -> Container:
    return next(one for one in seen.containers if (one.name, one.attempt) == (name, attempt))


def with_container(seen: Seen, old: Container, new: Container) -> Seen:
    return replace(seen, containers=tuple(new if one is old else one for one in seen.containers))


def sandbox(seen: Seen, pod_name: str) -> Sandbox:
    return next(one for one in seen.sandboxes if one.pod_name == pod_name)


def test_the_last_ended_container_of_a_name_stays_for_logs_previous_and_init_containers() -> None:
    """install-cni has ended well and is an init container; the static pods' dead ones have a running successor."""
    seen = recording.node()
    assert containers(seen) == ["crash 0: superseded", "left 0: gone"]
    assert sandboxes(seen) == ["left 0: gone"]


def test_of_docker_s_whole_seconds_the_attempt_decides() -> None:
    seen = recording.node()
    first, second = container(seen, "crash", 0), container(seen, "crash", 1)
    assert containers(with_container(seen, first, replace(first, created=second.created)))[0] == "crash 0: superseded"


def test_what_runs_or_is_only_made_or_is_not_known_is_no_candidate() -> None:
    seen = recording.node()
    old = container(seen, "crash", 0)
    for state in ("CONTAINER_RUNNING", "CONTAINER_CREATED", "CONTAINER_UNKNOWN"):
        assert "crash 0: superseded" not in containers(with_container(seen, old, replace(old, state=state)))


def test_a_pod_that_the_kubelet_still_has_is_not_gone_without_a_ready_sandbox() -> None:
    """A Job that is done, or a pod while the node boots: everything of it has ended."""
    seen = recording.node()
    left = sandbox(seen, "left")
    known = replace(seen, pods=seen.pods | {left.pod})
    assert containers(known) == ["crash 0: superseded"]
    assert sandboxes(known) == []


def test_a_directory_that_lacks_a_running_pod_is_not_the_kubelet_s() -> None:
    seen = recording.node()
    etcd = sandbox(seen, "etcd-cp1").pod
    for pods in (frozenset[str](), seen.pods - {etcd}):
        assert gone_pods(replace(seen, pods=pods)) == frozenset()
    nothing_runs = replace(
        seen,
        containers=tuple(replace(one, state=EXITED) for one in seen.containers),
        sandboxes=tuple(replace(one, state="SANDBOX_NOTREADY") for one in seen.sandboxes),
        pods=frozenset(),
    )
    assert gone_pods(nothing_runs) == frozenset()


def test_an_older_sandbox_stays_while_it_holds_the_last_ended_container() -> None:
    """After a reboot: each pod has a new sandbox, and its last words are in the old one."""
    seen = recording.node()
    new = sandbox(seen, "crash")
    old = replace(new, id="old", state="SANDBOX_NOTREADY", created=new.created - 10, attempt=0)
    booted = replace(seen, sandboxes=(*seen.sandboxes, old))
    assert sandboxes(booted) == ["left 0: gone", "crash 0: superseded"]
    last = container(booted, "crash", 1)
    assert sandboxes(with_container(booted, last, replace(last, sandbox="old"))) == ["left 0: gone"]
    first = container(booted, "crash", 0)  # goes itself, and does not hold it
    assert len(sandboxes(with_container(booted, first, replace(first, sandbox="old")))) == 2


def test_a_container_without_a_pod_is_none_of_kubernetes() -> None:
    seen = recording.node()
    left = container(seen, "left", 0)
    assert containers(with_container(seen, left, replace(left, pod=""))) == ["crash 0: superseded"]
    assert sandboxes(with_container(seen, left, replace(left, pod=""))) == []
