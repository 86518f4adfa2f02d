"""Kubelet: what it would refuse, or take for something else, is found before any node is touched."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.errors import Problem
from tests.unit.spec.inventories import codes, machines, only_error, problems, with_variable


def warnings(**variables: Any) -> list[Problem]:
    return [p for p in problems(machines("cp1", "node1", **variables)) if p.severity == "warning"]


def error(**variables: Any) -> Problem:
    return only_error(machines("cp1", "node1", **variables))


def test_the_defaults_are_silent() -> None:
    assert problems(machines("cp1", "node1")) == []


@pytest.mark.parametrize(
    "variables",
    [
        {"kubelet_eviction_hard": {"memory.available": "5%", "pid.available": 1000}},
        {
            "kubelet_eviction_soft": {"memory.available": "500Mi", "nodefs.available": "12%"},
            "kubelet_eviction_soft_grace_period": {"memory.available": "90s", "nodefs.available": "2m"},
        },
        {"kubelet_kube_reserved": {"cpu": 1, "memory": "1.5Gi", "ephemeral-storage": "1Gi", "pid": 1000}},
        {"kubelet_reservation_profile": "static", "kubelet_kube_reserved": {"cpu": "100m", "memory": "1Gi"}},
        {
            "kubelet_enforce_node_allocatable": ["pods", "kube-reserved", "system-reserved"],
            "kubelet_system_reserved": {"memory": "2Gi"},
        },
        {"kubelet_enforce_node_allocatable": ["none"]},
        {"kubelet_cpu_manager_policy": "static", "kubelet_topology_manager_policy": "restricted"},
        {"kubelet_pod_pids_limit": -1},
        {"kubelet_image_maximum_gc_age": "720h"},
        {"kubelet_shutdown_grace_period": 0},
        {"os_swap": "keep", "kubelet_fail_swap_on": False, "kubelet_swap_behavior": "LimitedSwap"},
        {"kubelet_protect_kernel_defaults": True, "os_sysctl": {"kernel.panic": "10"}},
        {"kubelet_config": {"evictionHard": {"memory.available": "1Gi"}, "maxPods": 60}},
    ],
)
def test_good_values(variables: dict[str, Any]) -> None:
    assert problems(machines("cp1", "node1", **variables)) == []


@pytest.mark.parametrize(
    ("name", "signal", "hint"),
    [
        ("kubelet_eviction_hard", "nodefs.inodesfree", "did you mean nodefs.inodesFree?"),
        ("kubelet_eviction_minimum_reclaim", "imagefs.avaliable", "did you mean imagefs.available?"),
        ("kubelet_eviction_hard", "containerfs.available", "containerfs follows nodefs or imagefs by itself"),
    ],
)
def test_unknown_signal_is_refused_with_what_was_meant(name: str, signal: str, hint: str) -> None:
    problem = only_error(with_variable(name, {signal: "5%"}))
    assert (problem.code, problem.hint) == ("eviction-signal", hint)
    assert problem.message == f"{name}: {signal!r} is not an eviction signal"


@pytest.mark.parametrize("value", ["5 %", "1GB", "-1Gi", "101%", "0", "ten"])
def test_a_threshold_is_a_quantity_or_a_percentage(value: str) -> None:
    assert error(kubelet_eviction_hard={"nodefs.available": value}).code == "eviction-threshold"


def test_nothing_is_a_good_minimum_reclaim() -> None:
    assert problems(with_variable("kubelet_eviction_minimum_reclaim", {"nodefs.available": 0})) == []


def test_switching_a_signal_off_is_said() -> None:
    (warning,) = warnings(kubelet_eviction_hard={"nodefs.available": "0%"})
    assert warning.code == "eviction-off"
    assert "nodefs.available 0% switches eviction by this signal off" in warning.message


def test_soft_threshold_without_grace_period_is_refused_also_in_kubelet_config() -> None:
    problem = error(kubelet_eviction_soft={"memory.available": "500Mi"})
    assert problem.message == "kubelet_eviction_soft: memory.available has no grace period"
    assert problem.hint == "set kubelet_eviction_soft_grace_period: {memory.available: 1m30s}"
    own = {"evictionSoft": {"memory.available": "500Mi"}}
    assert error(kubelet_config=own).message == "kubelet_config: memory.available has no grace period"
    own["evictionSoftGracePeriod"] = {"memory.available": "1m"}
    assert problems(with_variable("kubelet_config", own)) == []


def test_grace_period_is_a_duration_and_belongs_to_a_threshold() -> None:
    soft = {"memory.available": "500Mi"}
    assert (
        error(kubelet_eviction_soft=soft, kubelet_eviction_soft_grace_period={"memory.available": 90}).code
        == "duration"
    )
    (warning,) = warnings(kubelet_eviction_soft_grace_period={"memory.available": "90s"})
    assert warning.code == "eviction-grace"


@pytest.mark.parametrize(("soft", "hard"), [("100Mi", "100Mi"), ("99Mi", "0.1Gi"), ("5%", "10%")])
def test_soft_threshold_that_hard_eviction_overtakes_is_refused(soft: str, hard: str) -> None:
    problem = error(
        kubelet_eviction_soft={"memory.available": soft},
        kubelet_eviction_soft_grace_period={"memory.available": "1m"},
        kubelet_eviction_hard={"memory.available": hard},
    )
    assert problem.code == "eviction-soft"


def test_soft_threshold_is_compared_with_defaults_that_are_the_same_everywhere() -> None:
    def soft(signal: str, value: str) -> dict[str, Any]:
        return {"kubelet_eviction_soft": {signal: value}, "kubelet_eviction_soft_grace_period": {signal: "1m"}}

    assert error(**soft("memory.available", "50Mi")).code == "eviction-soft"
    assert error(**soft("nodefs.inodesFree", "5%")).code == "eviction-soft"
    assert problems(machines("cp1", "node1", **soft("nodefs.available", "8%"))) == []  # above 20Gi on a big disk


def test_soft_eviction_that_kills_at_once_is_said() -> None:
    (warning,) = warnings(
        kubelet_eviction_soft={"memory.available": "1Gi"},
        kubelet_eviction_soft_grace_period={"memory.available": "1m"},
        kubelet_eviction_max_pod_grace_period=0,
    )
    assert warning.code == "eviction-grace"


@pytest.mark.parametrize(
    ("high", "hard", "warned"),
    [
        (85, {}, True),
        (84, {}, False),
        (90, {"imagefs.available": "5%"}, False),
        (100, {"imagefs.available": "1Gi"}, False),
    ],
)
def test_images_are_deleted_before_pods_are_evicted(high: int, hard: dict[str, str], warned: bool) -> None:
    found = warnings(kubelet_image_gc_high_threshold=high, kubelet_eviction_hard=hard)
    assert [p.code for p in found] == ["image-gc"] * warned


def test_image_thresholds_are_percentages_in_order() -> None:
    assert error(kubelet_image_gc_low_threshold=80).message.endswith("low threshold 80 must be below the high one, 80")
    assert codes(with_variable("kubelet_image_gc_high_threshold", 101)) == ["image-gc"]


def test_reservations_are_quantities_of_known_resources() -> None:
    assert error(kubelet_kube_reserved={"memory": "1 Gi"}).code == "reservation"
    assert error(kubelet_system_reserved={"cpu": "-100m"}).code == "reservation"
    problem = error(kubelet_system_reserved={"disk": "1Gi"})
    assert problem.message == "kubelet_system_reserved: 'disk' cannot be reserved"
    assert "ephemeral-storage" in str(problem.hint)


def test_static_profile_needs_values() -> None:
    assert error(kubelet_reservation_profile="static").code == "reservation"
    own = {"kubeReserved": {"cpu": "100m", "memory": "1Gi"}}
    assert problems(machines("cp1", "node1", kubelet_reservation_profile="static", kubelet_config=own)) == []


@pytest.mark.parametrize(
    "words",
    [
        ["pod"],
        ["pods", "pods"],
        ["none", "pods"],
        ["pods", "kube-reserved", "kube-reserved-compressible"],
        ["pods", "system-reserved"],  # nobody has said how much memory
    ],
)
def test_enforcement(words: list[str]) -> None:
    assert error(kubelet_enforce_node_allocatable=words).code == "enforcement"


def test_limits_of_a_cgroup_that_nobody_names_are_refused() -> None:
    own = {"enforceNodeAllocatable": ["pods", "kube-reserved-compressible"]}
    assert "needs kubeReservedCgroup" in error(kubelet_config=own).message
    assert problems(with_variable("kubelet_config", {**own, "kubeReservedCgroup": "/mine.slice"})) == []


def test_static_cpu_policy_without_reserved_cpu_is_refused() -> None:
    zero = {"kubelet_kube_reserved": {"cpu": 0}, "kubelet_system_reserved": {"cpu": "0m"}}
    assert error(kubelet_cpu_manager_policy="static", **zero).code == "cpu-manager"
    listed = {"kubelet_config": {"reservedSystemCPUs": "0-1"}}
    assert problems(machines("cp1", "node1", kubelet_cpu_manager_policy="static", **zero, **listed)) == []


def test_topology_policy_without_anything_to_align_is_said() -> None:
    assert [p.code for p in warnings(kubelet_topology_manager_policy="restricted")] == ["topology-manager"]


def test_processes_per_pod() -> None:
    assert error(kubelet_pod_pids_limit=0).code == "pod-pids"
    assert [p.code for p in warnings(kubelet_pod_pids_limit=100)] == ["pod-pids"]
    (warning,) = warnings(os_sysctl={"kernel.pid_max": 32768})
    assert warning.message == "110 pods with 4096 processes each are more than kernel.pid_max 32768"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("kubelet_container_log_max_files", 1, "kubelet-number"),
        ("kubelet_container_log_max_size", "10 MB", "kubelet-number"),
        ("kubelet_container_log_monitor_interval", "1s", "kubelet-number"),
        ("kubelet_max_parallel_image_pulls", 0, "kubelet-number"),
        ("kubelet_shutdown_grace_period", -1, "kubelet-number"),
        ("kubelet_shutdown_grace_period", 10, "kubelet-number"),  # less than the 20 s for critical pods
        ("kubelet_image_maximum_gc_age", "1m", "kubelet-number"),
        ("kubelet_eviction_pressure_transition_period", "5 min", "duration"),
        ("kubelet_node_lease_duration_seconds", 50, "heartbeat"),
        ("kubelet_node_lease_duration_seconds", 10, "heartbeat"),
    ],
)
def test_numbers_that_the_kubelet_or_the_cluster_cannot_live_with(name: str, value: Any, code: str) -> None:
    problem = only_error(with_variable(name, value))
    assert problem.code == code


def test_lease_is_compared_with_the_controllers_patience() -> None:
    flags = {"node-monitor-grace-period": "40s"}
    assert error(control_plane_controller_manager_args=flags).code == "heartbeat"
    flags["node-monitor-grace-period"] = "2m"
    long = {"control_plane_controller_manager_args": flags, "kubelet_node_lease_duration_seconds": 60}
    assert problems(machines("cp1", "node1", **long)) == []


def test_kernel_settings_that_a_strict_kubelet_refuses() -> None:
    problem = error(os_sysctl={"kernel.panic": 0})
    expected = "os_sysctl sets kernel.panic to 0; with kubelet_protect_kernel_defaults it must be 10"
    assert problem.message.startswith(expected)
    assert "kubelet_protect_kernel_defaults: false" in str(error(os_sysctl={"kernel.panic": None}).hint)


@pytest.mark.parametrize(
    ("key", "value", "own"),
    [
        ("kernel.panic", 0, 10),
        ("kernel/panic_on_oops", "0", 1),
        ("vm.overcommit_memory", 2, 1),
        ("vm.panic_on_oom", 1, 0),
        ("kernel.keys.root_maxkeys", 200, 1000000),
        ("kernel.keys.root_maxbytes", "many", 25000000),
    ],
)
def test_kernel_settings_that_any_kubelet_overwrites(key: str, value: Any, own: int) -> None:
    lenient = {"kubelet_protect_kernel_defaults": False}
    problem = error(os_sysctl={key: value}, **lenient)
    assert problem.message.startswith(f"os_sysctl sets {key} to {value}; at each start the kubelet sets it to {own}")
    assert problem.hint == f"leave {key} out: kprov sets it to {own}"
    assert problems(with_variable("os_sysctl", {key: own})) == []
    assert problems(machines("cp1", "node1", os_sysctl={key: None}, **lenient)) == []


def test_swap_for_pods_without_swap_is_said() -> None:
    assert [p.code for p in warnings(kubelet_swap_behavior="LimitedSwap")] == ["swap-behavior"]


@pytest.mark.parametrize(
    "own", [{"evictionHard": "memory.available<1Gi"}, {"maxPods": "many"}, {"enforceNodeAllocatable": "pods"}]
)
def test_field_of_kubelet_config_has_its_type(own: dict[str, Any]) -> None:
    assert error(kubelet_config=own).code == "wrong-value"
