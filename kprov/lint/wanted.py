"""What the inventory wants of a node: the same that roles/kubelet writes (tests/roles/test_lint_wanted.py compares)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ipaddress import ip_network
from typing import Any

import yaml

from kprov.content import content_root
from kprov.lint.record import Config, Runtime, View
from kprov.reserve.capacity import Capacity
from kprov.reserve.reservation import Settings, reserve
from kprov.spec.checks.kubelet import KERNEL_DEFAULTS
from kprov.spec.checks.networks import pod_addresses
from kprov.spec.cluster import Host

# Field of KubeletConfiguration: variable that it is set from, as it is.
VARIABLES = {
    "maxPods": "kubelet_max_pods",
    "podPidsLimit": "kubelet_pod_pids_limit",
    "seccompDefault": "kubelet_seccomp_default",
    "enforceNodeAllocatable": "kubelet_enforce_node_allocatable",
    "evictionMinimumReclaim": "kubelet_eviction_minimum_reclaim",
    "evictionPressureTransitionPeriod": "kubelet_eviction_pressure_transition_period",
    "evictionMaxPodGracePeriod": "kubelet_eviction_max_pod_grace_period",
    "imageGCHighThresholdPercent": "kubelet_image_gc_high_threshold",
    "imageGCLowThresholdPercent": "kubelet_image_gc_low_threshold",
    "imageMinimumGCAge": "kubelet_image_minimum_gc_age",
    "imageMaximumGCAge": "kubelet_image_maximum_gc_age",
    "maxParallelImagePulls": "kubelet_max_parallel_image_pulls",
    "registryPullQPS": "kubelet_registry_pull_qps",
    "registryBurst": "kubelet_registry_burst",
    "containerLogMaxSize": "kubelet_container_log_max_size",
    "containerLogMaxFiles": "kubelet_container_log_max_files",
    "containerLogMaxWorkers": "kubelet_container_log_max_workers",
    "containerLogMonitorInterval": "kubelet_container_log_monitor_interval",
    "cpuManagerPolicy": "kubelet_cpu_manager_policy",
    "memoryManagerPolicy": "kubelet_memory_manager_policy",
    "topologyManagerPolicy": "kubelet_topology_manager_policy",
    "topologyManagerScope": "kubelet_topology_manager_scope",
    "runtimeRequestTimeout": "kubelet_runtime_request_timeout",
    "volumeStatsAggPeriod": "kubelet_volume_stats_agg_period",
    "nodeStatusUpdateFrequency": "kubelet_node_status_update_frequency",
    "nodeStatusReportFrequency": "kubelet_node_status_report_frequency",
    "nodeLeaseDurationSeconds": "kubelet_node_lease_duration_seconds",
    "protectKernelDefaults": "kubelet_protect_kernel_defaults",
    "failSwapOn": "kubelet_fail_swap_on",
}
# The same in every cluster; kubelet_config is merged over it.
CONSTANTS: Mapping[str, Any] = {
    "cgroupDriver": "systemd",
    "rotateCertificates": True,
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    "authorization": {"mode": "Webhook"},
    "readOnlyPort": 0,
    "mergeDefaultEvictionSettings": True,
}
# Kernel settings that rules look at.
SETTINGS = (*KERNEL_DEFAULTS, "kernel.pid_max", "fs.inotify.max_user_instances", "fs.inotify.max_user_watches")


def wanted(host: Host, capacity: Capacity | None) -> View:
    """capacity: what is reserved depends on it; None: then nothing is said about that."""
    variables = host.variables
    grace = int(variables["kubelet_shutdown_grace_period"])
    return View(
        kubelet=Config(kubelet(host, capacity), complete=False),
        kernel=kernel(variables["os_sysctl"]),
        runtime=Runtime(str(variables["container_runtime"]), "systemd", *_logs(variables)),
        shutdown_delay=grace or None,
        pod_addresses=_pod_addresses(variables),
    )


def kubelet(host: Host, capacity: Capacity | None) -> dict[str, Any]:
    """Fields of KubeletConfiguration, kubelet_config merged over the variables."""
    variables = host.variables
    fields = {**CONSTANTS, **{field: variables[variable] for field, variable in VARIABLES.items()}}
    grace, critical = (int(variables[f"kubelet_shutdown_grace_period{end}"]) for end in ("", "_critical_pods"))
    fields["shutdownGracePeriod"] = f"{grace}s"
    fields["shutdownGracePeriodCriticalPods"] = f"{min(grace, critical)}s"
    fields["serializeImagePulls"] = variables["kubelet_max_parallel_image_pulls"] == 1
    fields["memorySwap"] = {"swapBehavior": variables["kubelet_swap_behavior"]}
    if variables["kubelet_resolv_conf"]:
        fields["resolvConf"] = variables["kubelet_resolv_conf"]
    for name in ("kube", "system"):
        if any(str(word).startswith(f"{name}-reserved") for word in variables["kubelet_enforce_node_allocatable"]):
            fields[f"{name}ReservedCgroup"] = f"/{name}.slice"
    if variables["kubelet_eviction_soft"]:
        fields["evictionSoft"] = variables["kubelet_eviction_soft"]
        fields["evictionSoftGracePeriod"] = variables["kubelet_eviction_soft_grace_period"]
    if _without_websockets(variables):
        fields["featureGates"] = {"ExtendWebSocketsToKubelet": False}
    if capacity:
        fields |= _reserved(variables, capacity)
    return merged(fields, variables["kubelet_config"])


def _without_websockets(variables: Mapping[str, Any]) -> bool:
    """kubectl exec through cri-dockerd (roles/kubelet/vars)."""
    minor = int(str(variables["kubernetes_version"]).split(".")[1])
    return bool(variables["kubelet_docker_exec_fix"]) and variables["container_runtime"] == "docker" and minor >= 36


def _reserved(variables: Mapping[str, Any], capacity: Capacity) -> dict[str, Any]:
    found = reserve(capacity, Settings.of(variables))
    fields: dict[str, Any] = {
        "kubeReserved": dict(found.kube_reserved),
        "systemReserved": dict(found.system_reserved),
        "evictionHard": dict(found.eviction_hard),
    }
    if variables["kubelet_memory_manager_policy"] == "Static":
        memory = sum(found.parts[part]["memory"] for part in ("kube_reserved", "system_reserved", "eviction_hard"))
        fields["reservedMemory"] = [{"numaNode": 0, "limits": {"memory": str(memory)}}]
    return fields


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """As Ansible's combine(recursive=True): dictionaries are merged, everything else is replaced."""
    result = dict(base)
    for name, value in patch.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = merged(result[name], value) if both else value
    return result


def kernel(own: Mapping[str, Any]) -> dict[str, str]:
    """Setting to the value that roles/os gives it; one that os_sysctl sets to null is left out."""
    values = {name: own[name] if name in own else _os_settings()[name]["value"] for name in SETTINGS}
    return {name: str(value) for name, value in values.items() if value is not None}


@cache
def _os_settings() -> dict[str, Any]:
    text = (content_root() / "roles/os/vars/main.yml").read_text(encoding="utf-8")
    settings: dict[str, Any] = yaml.safe_load(text)["os_settings"]
    return settings


def _logs(variables: Mapping[str, Any]) -> tuple[str | None, bool | None]:
    """Docker's log driver, and whether it limits files; containerd's are the kubelet's business."""
    if variables["container_runtime"] != "docker":
        return None, None
    return str(variables["container_runtime_docker_log_driver"]), bool(
        variables["container_runtime_docker_log_max_size"]
    )


def _pod_addresses(variables: Mapping[str, Any]) -> int:
    return pod_addresses(int(variables["pod_cidr_node_prefix"]), ip_network(str(variables["pod_cidr"])).max_prefixlen)
