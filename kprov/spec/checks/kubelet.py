"""Reservations, limits and policies of the kubelet.

The kubelet refuses to start on most of these (k8s.io/kubernetes v1.36.3, pkg/kubelet/apis/config/validation,
pkg/kubelet/cm/cpumanager); here they are found before any node is touched.
"""

from __future__ import annotations

import re

from kprov.reserve.quantity import quantity
from kprov.spec.checks import kubelet_eviction
from kprov.spec.checks.kubelet_fields import Field, distinct, field
from kprov.spec.checks.kubernetes import go_duration
from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

RESOURCES = ("cpu", "memory", "ephemeral-storage", "pid")
KUBE = ("kubelet_kube_reserved", "kubeReserved")
SYSTEM = ("kubelet_system_reserved", "systemReserved")
ENFORCE = ("kubelet_enforce_node_allocatable", "enforceNodeAllocatable")
CPU_POLICY = ("kubelet_cpu_manager_policy", "cpuManagerPolicy")
PIDS = ("kubelet_pod_pids_limit", "podPidsLimit")
PODS = ("kubelet_max_pods", "maxPods")
FIELDS = (KUBE, SYSTEM, ENFORCE, CPU_POLICY, PIDS, PODS, *kubelet_eviction.FIELDS)
ENFORCEMENTS = (
    "pods",
    "kube-reserved",
    "kube-reserved-compressible",
    "system-reserved",
    "system-reserved-compressible",
    "none",
)
DURATIONS = (
    "kubelet_eviction_pressure_transition_period",
    "kubelet_image_minimum_gc_age",
    "kubelet_image_maximum_gc_age",
    "kubelet_container_log_monitor_interval",
    "kubelet_runtime_request_timeout",
    "kubelet_volume_stats_agg_period",
    "kubelet_node_status_update_frequency",
    "kubelet_node_status_report_frequency",
)
# Smallest value of each number: the kubelet's own validation, except where a comment says otherwise.
LEAST = {
    "kubelet_container_log_max_files": 2,
    "kubelet_container_log_max_workers": 1,
    "kubelet_max_parallel_image_pulls": 1,
    "kubelet_registry_pull_qps": 0,
    "kubelet_registry_burst": 0,
    "kubelet_shutdown_grace_period": 0,
    "kubelet_shutdown_grace_period_critical_pods": 0,
    "kubelet_node_lease_duration_seconds": 1,
}
# The least that GKE accepts; a Java program alone has some hundred threads.
LEAST_PIDS = 1024
LOG_INTERVAL = 3  # seconds
NODE_MONITOR_GRACE_PERIOD = 50  # seconds; kube-controller-manager's default
# What the kubelet sets at each start, or wants to find with protectKernelDefaults: setupKernelTunables in
# pkg/kubelet/cm/container_manager_linux.go.
KERNEL_DEFAULTS = {
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
}


def own_fields(draft: Draft, report: Report) -> None:
    """A field of kubelet_config that kprov computes with has the type that it has in KubeletConfiguration."""
    for own, host in draft.distinct("kubelet_config"):
        for variable, name in FIELDS:
            value = host.values.get(variable)
            if own.get(name) is not None and value is not None and type(own[name]) is not type(value):
                kind = {dict: "a dictionary", list: "a list", int: "a whole number", str: "a text"}[type(value)]
                report.error(
                    "wrong-value",
                    f"kubelet_config: {name} must be {kind}",
                    host=host.name,
                    variable="kubelet_config",
                    hint=f"{variable} is the variable for it",
                )


def reservations(draft: Draft, report: Report) -> None:
    """Known resources, quantities, and something to reserve where there is no formula."""
    for name in (KUBE, SYSTEM):
        for (found,) in distinct(draft, name):
            for resource, value in found.value.items():
                number = quantity(value)
                if resource not in RESOURCES:
                    hint = f"there are {', '.join(RESOURCES)}"
                    _error(report, "reservation", found, f"{resource!r} cannot be reserved", hint)
                elif number is None or number < 0:
                    _error(report, "reservation", found, f"{resource}: {value!r} is not a quantity such as 500m or 1Gi")
    for host in draft.hosts:
        kube = field(host, *KUBE)
        missing = [name for name in ("cpu", "memory") if kube and name not in kube.value]
        if host.text("kubelet_reservation_profile") == "static" and missing:
            report.error(
                "reservation",
                f"kubelet_reservation_profile static has no formula, and kubelet_kube_reserved has no {missing[0]}",
                host=host.name,
                variable="kubelet_reservation_profile",
                hint="set kubelet_kube_reserved: {cpu: 100m, memory: 1Gi}; `kprov reserve` compares the formulas",
            )


def enforcement(draft: Draft, report: Report) -> None:
    """enforceNodeAllocatable: known words, each once, and a limit for all services only where somebody measured."""
    for enforce, system in distinct(draft, ENFORCE, SYSTEM):
        words = list(enforce.value)
        for word in words:
            if word not in ENFORCEMENTS:
                _error(report, "enforcement", enforce, f"{word!r} is not one of {', '.join(ENFORCEMENTS)}")
        if len(set(words)) < len(words) or ("none" in words and len(words) > 1):
            _error(report, "enforcement", enforce, "each word once, and none only by itself")
        for name in ("kube-reserved", "system-reserved"):
            if {name, f"{name}-compressible"} <= set(words):
                _error(report, "enforcement", enforce, f"{name} and {name}-compressible exclude each other")
        own = enforce.host.values.get("kubelet_config") or {}
        for name, cgroup in (("kube-reserved", "kubeReservedCgroup"), ("system-reserved", "systemReservedCgroup")):
            named = any(str(word).startswith(name) for word in words)
            if enforce.variable == "kubelet_config" and named and not own.get(cgroup):
                hint = f"set {ENFORCE[0]}: kprov then makes the slice and names it"
                _error(
                    report, "enforcement", enforce, f"{name} needs {cgroup}, the kubelet does not start without", hint
                )
        if "system-reserved" in words and "memory" not in system.value:
            _error(
                report,
                "enforcement",
                enforce,
                "system-reserved is a hard limit for all services together, container runtime and sshd included",
                "measure system.slice (`systemd-cgtop`), then set kubelet_system_reserved: {memory: ...}",
            )


def policies(draft: Draft, report: Report) -> None:
    """Exclusive CPUs need CPUs that stay shared; a topology policy needs something to align."""
    for policy, kube, system in distinct(draft, CPU_POLICY, KUBE, SYSTEM):
        host = policy.host
        zero = [quantity(found.value.get("cpu", 1)) == 0 for found in (kube, system)]
        listed = "reservedSystemCPUs" in (host.values.get("kubelet_config") or {})
        if policy.value == "static" and all(zero) and not listed:
            hint = "reserve CPU in kubelet_kube_reserved or kubelet_system_reserved, or name reservedSystemCPUs"
            _error(report, "cpu-manager", policy, "static needs CPU that is reserved, and none is", hint)
    for host in draft.hosts:
        topology, memory = host.text("kubelet_topology_manager_policy"), host.text("kubelet_memory_manager_policy")
        cpu = field(host, *CPU_POLICY)
        if topology not in (None, "none") and memory == "None" and cpu and cpu.value == "none":
            report.warning(
                "topology-manager",
                f"kubelet_topology_manager_policy {topology} aligns devices only: CPU and memory manager are off",
                host=host.name,
                variable="kubelet_topology_manager_policy",
                hint="set kubelet_cpu_manager_policy: static",
            )


def processes(draft: Draft, report: Report) -> None:
    """podPidsLimit: a pod can live with it, and the kernel can bear all pods at it."""
    for limit, pods in distinct(draft, PIDS, PODS):
        if limit.value < -1 or limit.value == 0:
            _error(report, "pod-pids", limit, f"{limit.value} is not a limit", f"{LEAST_PIDS} or more; -1 for none")
        elif 0 < limit.value < LEAST_PIDS:
            text = f"{limit.variable}: {limit.value} processes and threads per pod are few"
            hint = f"GKE allows no less than {LEAST_PIDS}"
            report.warning("pod-pids", text, host=limit.host.name, variable=limit.variable, hint=hint)
        most = (limit.host.values.get("os_sysctl") or {}).get("kernel.pid_max")
        if most is not None and str(most).isdigit() and limit.value * pods.value > int(most):
            report.warning(
                "pod-pids",
                f"{pods.value} pods with {limit.value} processes each are more than kernel.pid_max {most}",
                host=limit.host.name,
                variable="os_sysctl",
                hint="kernel.pid_max can be 4194304 on 64-bit machines",
            )


def numbers(draft: Draft, report: Report) -> None:
    """Numbers and durations that the kubelet would refuse."""
    for name, least in LEAST.items():
        for value, host in draft.distinct(name):
            if value < least:
                text = f"{name} {value} is less than {least}"
                report.error("kubelet-number", text, host=host.name, variable=name)
    for name in DURATIONS:
        for text, host in draft.distinct(name):
            if go_duration(text) is None and text not in ("0", "0s"):
                message = f"{name} {text!r} is not a duration such as 10s or 5m"
                report.error("duration", message, host=host.name, variable=name)
    for text, host in draft.distinct("kubelet_container_log_max_size"):
        if not (quantity(text) or 0) > 0:
            message = f"kubelet_container_log_max_size {text!r} is not a size such as 10Mi"
            report.error("kubelet-number", message, host=host.name, variable="kubelet_container_log_max_size")
    for host in draft.hosts:
        _pairs(host, report)


def _pairs(host: DraftHost, report: Report) -> None:
    """Values that have to fit each other."""

    def refuse(text: str, *names: str) -> None:
        report.error("kubelet-number", text, host=host.name, variable=host.set_by_user(*names))

    interval = go_duration(host.text("kubelet_container_log_monitor_interval") or "")
    if interval is not None and interval < LOG_INTERVAL:
        refuse(
            f"kubelet_container_log_monitor_interval is below {LOG_INTERVAL}s", "kubelet_container_log_monitor_interval"
        )
    young, old = (go_duration(host.text(f"kubelet_image_{name}_gc_age") or "") for name in ("minimum", "maximum"))
    if young and old and old <= young:
        names = ("kubelet_image_maximum_gc_age", "kubelet_image_minimum_gc_age")
        refuse("kubelet_image_maximum_gc_age must be above kubelet_image_minimum_gc_age", *names)
    whole, part = (
        host.number("kubelet_shutdown_grace_period"),
        host.number("kubelet_shutdown_grace_period_critical_pods"),
    )
    if whole is not None and part is not None and part > whole > 0:
        names = ("kubelet_shutdown_grace_period_critical_pods", "kubelet_shutdown_grace_period")
        refuse(f"the {part} s for critical pods are part of kubelet_shutdown_grace_period, {whole} s", *names)


def heartbeats(draft: Draft, report: Report) -> None:
    """A node is given up later than its Lease ends, and looks at itself more often than that."""
    for host in draft.hosts:
        lease = host.number("kubelet_node_lease_duration_seconds")
        often = go_duration(host.text("kubelet_node_status_update_frequency") or "")
        if lease and often and often >= lease:
            text = f"kubelet_node_status_update_frequency is not below kubelet_node_lease_duration_seconds, {lease}"
            names = ("kubelet_node_status_update_frequency", "kubelet_node_lease_duration_seconds")
            report.error("heartbeat", text, host=host.name, variable=host.set_by_user(*names))
        for control_plane in draft.control_planes:
            flags = control_plane.values.get("control_plane_controller_manager_args") or {}
            grace = go_duration(str(flags.get("node-monitor-grace-period", f"{NODE_MONITOR_GRACE_PERIOD}s")))
            if lease and grace and grace <= lease:
                report.error(
                    "heartbeat",
                    f"the controller gives a node up after {float(grace):g} s, but its Lease is valid for {lease} s",
                    host=host.name,
                    variable=host.set_by_user("kubelet_node_lease_duration_seconds"),
                    hint="node-monitor-grace-period (control_plane_controller_manager_args) must be the longer one",
                )
                return


def kernel(draft: Draft, report: Report) -> None:
    """A kernel setting that the kubelet sets itself, to another value: the two would change it in turns."""
    for host in draft.hosts:
        strict = host.values.get("kubelet_protect_kernel_defaults")
        for key, value in (host.values.get("os_sysctl") or {}).items():
            wanted = KERNEL_DEFAULTS.get(".".join(re.split("[./]", str(key))))
            if wanted is None or _number(value) == wanted or (value is None and not strict):
                continue
            why = (
                "with kubelet_protect_kernel_defaults it must be" if strict else "at each start the kubelet sets it to"
            )
            report.error(
                "kernel-defaults",
                f"os_sysctl sets {key} to {value}; {why} {wanted}",
                host=host.name,
                variable="os_sysctl",
                hint=f"leave {key} out: kprov sets it to {wanted}"
                if value is not None
                else f"leave {key} out, or set kubelet_protect_kernel_defaults: false",
            )


def _number(value: object) -> int | None:
    """As the kernel reads it: true is 1."""
    try:
        return int(value) if isinstance(value, bool) else int(str(value))
    except ValueError:
        return None


def swap(draft: Draft, report: Report) -> None:
    """Swap for pods needs swap."""
    for host in draft.hosts:
        swaps = host.text("os_swap") == "keep" and host.values.get("kubelet_fail_swap_on") is False
        if host.text("kubelet_swap_behavior") == "LimitedSwap" and not swaps:
            report.warning(
                "swap-behavior",
                "kubelet_swap_behavior LimitedSwap does nothing: the node has no swap, or the kubelet does not bear it",
                host=host.name,
                variable="kubelet_swap_behavior",
                hint="set os_swap: keep and kubelet_fail_swap_on: false",
            )


def _error(report: Report, code: str, found: Field, text: str, hint: str | None = None) -> None:
    report.error(code, f"{found.variable}: {text}", host=found.host.name, variable=found.variable, hint=hint)
