"""What the rules look at: one node, seen three times. Inventory, files on the node, what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.reserve.capacity import Capacity

# What a kubelet does where nobody says anything (k8s.io/kubernetes v1.36.4, v1beta1/defaults.go of its configuration):
# the fields that rules or roles/kubelet speak of. evictionHard's is filled in where files are merged.
DEFAULTS: Mapping[str, Any] = {
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    "authorization": {"mode": "Webhook"},
    "containerLogMaxFiles": 5,
    "containerLogMaxSize": "10Mi",
    "containerLogMaxWorkers": 1,
    "containerLogMonitorInterval": "10s",
    "cpuManagerPolicy": "none",
    "enforceNodeAllocatable": ["pods"],
    "evictionPressureTransitionPeriod": "5m",
    "failSwapOn": True,
    "imageGCHighThresholdPercent": 85,
    "imageGCLowThresholdPercent": 80,
    "imageMinimumGCAge": "2m",
    "maxPods": 110,
    "memoryManagerPolicy": "None",
    "nodeLeaseDurationSeconds": 40,
    "nodeStatusReportFrequency": "5m",
    "nodeStatusUpdateFrequency": "10s",
    "podPidsLimit": -1,
    "protectKernelDefaults": False,
    "readOnlyPort": 0,
    "registryBurst": 10,
    "registryPullQPS": 5,
    "resolvConf": "/etc/resolv.conf",
    "rotateCertificates": False,
    "runtimeRequestTimeout": "2m",
    "volumeStatsAggPeriod": "1m",
    "shutdownGracePeriod": "0s",
    "shutdownGracePeriodCriticalPods": "0s",
    "topologyManagerPolicy": "none",
    "topologyManagerScope": "container",
}


@dataclass(frozen=True)
class Config:
    """A KubeletConfiguration. complete: a missing field has the kubelet's default; False: it is not spoken of."""

    fields: Mapping[str, Any]
    complete: bool = True

    def get(self, *path: str) -> Any:
        """The value of a field, or of one inside it; None if there is none."""
        found = _at(self.fields, path)
        return _at(DEFAULTS, path) if found is None and self.complete else found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@dataclass(frozen=True)
class Runtime:
    """name: containerd or docker. Drivers: None where the source does not say. rotates: Docker limits its logs."""

    name: str
    cgroup_driver: str | None = None
    log_driver: str | None = None
    rotates: bool | None = None


@dataclass(frozen=True)
class View:
    """What one source says; None: nothing, or it could not be read.

    kernel: setting to value. sockets: of the runtime, to why nobody answers there, None: somebody does. shutdown_delay:
    seconds that logind lets a shutdown wait. pod_addresses: room for pods in the node's part of the pod network.
    """

    kubelet: Config | None = None
    kernel: Mapping[str, str] = field(default_factory=dict)
    runtime: Runtime | None = None
    sockets: Mapping[str, str | None] = field(default_factory=dict)
    shutdown_delay: float | None = None
    pod_addresses: int | None = None


@dataclass(frozen=True)
class Facts:
    """The machine, which is the same for all three. Empty or None: not known.

    nameservers: resolv.conf to its servers; cgroups: those named as reserved that exist, None: nobody looked;
    started: when the kubelet was, in seconds since the epoch; written: file of its configuration to when it was;
    origins: field of the files, as a path, to the file that has the last word; damaged: file to why nobody can read it.
    flags: field that a flag of the kubelet sets to that flag.
    """

    capacity: Capacity | None = None
    swap: tuple[str, ...] = ()
    nameservers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cgroups: frozenset[str] | None = None
    started: float | None = None
    written: Mapping[str, float] = field(default_factory=dict)
    origins: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node of the inventory. unasked: why its kubelet's running configuration is not known; None: it is."""

    host: str
    spec: View
    file: View
    running: View
    facts: Facts
    unasked: str | None = None
