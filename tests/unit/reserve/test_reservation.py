"""Reservations and Allocatable: vectors that clouds publish, and nodes seen live."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.reserve.capacity import Capacity
from kprov.reserve.reservation import Reservation, Settings, profiles, reserve

MI = 2**20
GI = 2**30
NOTHING = {"cpu": "0", "memory": "0", "ephemeral-storage": "0", "pid": "0"}


def settings(profile: str = "gke", max_pods: int = 110, **own: dict[str, object]) -> Settings:
    values: dict[str, dict[str, object]] = {"kube_reserved": {}, "system_reserved": {}, "eviction_hard": {}, **own}
    return Settings(profile=profile, max_pods=max_pods, **values)


def formula(profile: str, cpus: int = 4, gib: float = 16, max_pods: int = 110) -> tuple[str, str]:
    found = reserve(Capacity(cpus, int(gib * GI)), settings(profile, max_pods)).kube_reserved
    return found["cpu"], found["memory"]


@pytest.mark.parametrize(
    ("gib", "memory"),
    [(0.5, "255Mi"), (4, "1024Mi"), (8, "1843Mi"), (16, "2662Mi"), (128, "9543Mi"), (228, "11591Mi")],
)
def test_gke_memory(gib: float, memory: str) -> None:
    assert formula("gke", gib=gib)[1] == memory  # 8 GiB: 1.8 GiB, 16 GiB: 2.6 GiB


@pytest.mark.parametrize(("cpus", "cpu"), [(1, "60m"), (2, "70m"), (4, "80m"), (5, "83m"), (8, "90m"), (96, "310m")])
def test_gke_and_eks_cpu(cpus: int, cpu: str) -> None:
    assert formula("gke", cpus=cpus)[0] == cpu
    assert formula("eks", cpus=cpus)[0] == cpu


def test_eks_memory() -> None:
    assert formula("eks", max_pods=29)[1] == "574Mi"
    assert formula("eks", max_pods=110)[1] == "1465Mi"


@pytest.mark.parametrize(
    ("cpus", "cpu"), [(1, "60m"), (2, "100m"), (4, "140m"), (8, "180m"), (16, "260m"), (32, "420m"), (64, "740m")]
)
def test_aks_cpu(cpus: int, cpu: str) -> None:
    assert formula("aks", cpus=cpus)[0] == cpu


def test_aks_memory_is_the_lesser_of_pods_and_a_quarter() -> None:
    assert formula("aks", gib=8, max_pods=30)[1] == "650Mi"
    assert formula("aks", gib=4, max_pods=70)[1] == "1024Mi"


def test_no_formula_takes_more_than_a_quarter_of_a_small_machine() -> None:
    found = reserve(Capacity(2, 2 * GI), settings("eks"))
    assert found.kube_reserved["memory"] == "512Mi"
    assert found.steps[-1].text == "but at most 25 % of the memory"


def test_allocatable_of_a_node_seen_live_to_the_byte() -> None:
    capacity = Capacity(4, 12236568 * 1024, ephemeral_storage=31270768 * 1024)
    found = reserve(capacity, settings("static", kube_reserved=NOTHING, system_reserved=NOTHING))
    assert found.allocatable == {
        "cpu": "4",
        "memory": "12134168Ki",
        "ephemeral-storage": "28819139742",
        "pods": "110",
    }


def test_allocatable_of_another_node_seen_live() -> None:
    # A lab node: kubeReserved 512Mi in all, evictionHard 100Mi.
    own = {"kube_reserved": {**NOTHING, "memory": "256Mi"}, "system_reserved": {**NOTHING, "memory": "256Mi"}}
    found = reserve(Capacity(2, 24684084 * 1024), settings("static", **own))  # type: ignore[arg-type]
    assert found.allocatable["memory"] == "24057396Ki"


def test_huge_pages_are_not_memory_for_pods() -> None:
    plain = reserve(Capacity(4, 16 * GI), settings())
    huge = reserve(Capacity(4, 16 * GI, hugepages=2 * GI), settings())
    assert huge.capacity["memory"] == 16 * GI
    assert value(plain, "memory") - value(huge, "memory") == 2 * GI


def test_sizes_of_machines_get_different_reservations() -> None:
    small, big = (reserve(Capacity(cpus, gib * GI), settings()) for cpus, gib in ((2, 4), (16, 64)))
    assert small.kube_reserved == {"cpu": "70m", "memory": "1024Mi", "ephemeral-storage": "1Gi", "pid": "2000"}
    assert big.kube_reserved == {"cpu": "110m", "memory": "5611Mi", "ephemeral-storage": "1Gi", "pid": "2000"}


def test_own_values_replace_single_ones_and_keep_the_rest() -> None:
    found = reserve(
        Capacity(4, 16 * GI),
        settings(
            kube_reserved={"memory": "1Gi"}, system_reserved={"pid": 500}, eviction_hard={"nodefs.available": "5%"}
        ),
    )
    assert found.kube_reserved == {"cpu": "80m", "memory": "1Gi", "ephemeral-storage": "1Gi", "pid": "2000"}
    assert found.system_reserved == {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "1Gi", "pid": "500"}
    assert found.eviction_hard == {
        "memory.available": "100Mi",
        "nodefs.available": "5%",
        "nodefs.inodesFree": "5%",
        "imagefs.available": "15%",
        "imagefs.inodesFree": "5%",
        "pid.available": "5%",
    }


@pytest.mark.parametrize(
    ("root", "images", "nodefs", "imagefs"),
    [
        (40 * 10**9, 40 * 10**9, "10%", "15%"),  # one small disk
        (40 * 10**9, 10**13, "10%", "30Gi"),  # images on a disk of their own
        (10**13, 10**13, "20Gi", "30Gi"),  # one huge disk: a percentage would keep 1 TB empty
    ],
)
def test_thresholds_of_disks_follow_their_size(root: int, images: int, nodefs: str, imagefs: str) -> None:
    found = reserve(Capacity(4, 16 * GI, ephemeral_storage=root, image_storage=images), settings())
    assert (found.eviction_hard["nodefs.available"], found.eviction_hard["imagefs.available"]) == (nodefs, imagefs)


def test_a_threshold_that_is_switched_off_withholds_nothing() -> None:
    capacity = Capacity(4, 16 * GI, ephemeral_storage=100 * GI)
    found = reserve(capacity, settings(eviction_hard={"nodefs.available": "0%"}))
    assert value(found, "ephemeral-storage") == 98 * GI  # what is reserved for kube and system


def test_too_much_reserved_is_named() -> None:
    capacity = Capacity(1, 2 * GI, ephemeral_storage=20 * GI)
    found = reserve(capacity, settings(system_reserved={"memory": "2Gi", "cpu": "1"}))
    assert found.lacking() == ("cpu", "memory")
    assert found.allocatable["memory"] == "0"


def test_processes_are_part_of_it() -> None:
    found = reserve(Capacity(4, 16 * GI, pids=32768), settings())
    assert found.allocatable["pid"] == str(32768 - 3000)


def test_wrong_values_are_named() -> None:
    with pytest.raises(ValueError, match="'2 GB' is not a quantity"):
        reserve(Capacity(4, 16 * GI), settings(kube_reserved={"memory": "2 GB"}))
    with pytest.raises(ValueError, match="'azure' is not a reservation profile: gke, eks, aks, static"):
        reserve(Capacity(4, 16 * GI), settings("azure"))


@given(
    st.integers(1, 512),
    st.integers(2 * GI, 4096 * GI),
    st.integers(1, 1000),
    st.sampled_from([name for name in profiles() if name != "static"]),
)
def test_every_machine_keeps_most_of_itself(cpus: int, memory: int, max_pods: int, profile: str) -> None:
    found = reserve(Capacity(cpus, memory), settings(profile, max_pods))
    assert found.parts["kube_reserved"]["memory"] <= memory // 4
    assert value(found, "memory") >= memory // 2
    assert found.lacking() == ()
    own = {name: sum(s.amount for s in found.steps if s.resource == name) for name in ("cpu", "memory")}
    if not any(step.total for step in found.steps):
        assert abs(own["memory"] - found.parts["kube_reserved"]["memory"]) < MI + 8
        assert own["cpu"] >= found.parts["kube_reserved"]["cpu"] >= own["cpu"] - 4


@given(st.integers(2 * GI, 1024 * GI), st.integers(1, 1024))
def test_more_memory_means_more_for_pods(memory: int, more: int) -> None:
    small = reserve(Capacity(4, memory), settings())
    assert value(reserve(Capacity(4, memory + more * MI), settings()), "memory") >= value(small, "memory")


def test_comparison_leaves_out_what_overrides_formulas() -> None:
    own = settings("gke", kube_reserved={"memory": "9Gi"})
    assert own.with_profile("aks").kube_reserved == {}
    assert own.with_profile("static").kube_reserved == {"memory": "9Gi"}
    assert replace(own, profile="static") == own.with_profile("static")


def value(found: Reservation, resource: str) -> int:
    return found.capacity[resource] - sum(part.get(resource, 0) for part in found.parts.values())
