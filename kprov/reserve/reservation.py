"""What is reserved on a machine and what is left for pods, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from kprov.content import module_util
from kprov.reserve.capacity import Capacity

RESOURCES = ("cpu", "memory", "ephemeral-storage", "pid")


@dataclass(frozen=True)
class Settings:
    """The variables that decide. The dictionaries are the user's, merged over the profile's."""

    profile: str
    max_pods: int
    kube_reserved: Mapping[str, Any]
    system_reserved: Mapping[str, Any]
    eviction_hard: Mapping[str, Any]

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Settings:
        """From the variables of a host. kubelet_config is the last word of the role, so it is here."""
        own = variables["kubelet_config"]
        return cls(
            profile=str(variables["kubelet_reservation_profile"]),
            max_pods=int(own.get("maxPods", variables["kubelet_max_pods"])),
            kube_reserved={**variables["kubelet_kube_reserved"], **own.get("kubeReserved", {})},
            system_reserved={**variables["kubelet_system_reserved"], **own.get("systemReserved", {})},
            eviction_hard={**variables["kubelet_eviction_hard"], **own.get("evictionHard", {})},
        )

    def with_profile(self, profile: str) -> Settings:
        """The same with another formula, and without what overrides formulas: for a comparison."""
        return replace(self, profile=profile, kube_reserved=self.kube_reserved if profile == "static" else {})


@dataclass(frozen=True)
class Step:
    """A line of the arithmetic: amount is thousandths of a core or bytes; total: it replaces the lines before it."""

    resource: str
    text: str
    amount: int
    total: bool


@dataclass(frozen=True)
class Reservation:
    """kube_reserved, system_reserved, eviction_hard: as in KubeletConfiguration.

    capacity and parts: resource -> thousandths of a core, bytes or processes; parts by what withholds them (the three,
    and hugepages). allocatable: resource -> quantity as the Node reports it, and pods.
    """

    kube_reserved: Mapping[str, str]
    system_reserved: Mapping[str, str]
    eviction_hard: Mapping[str, str]
    capacity: Mapping[str, int]
    parts: Mapping[str, Mapping[str, int]]
    allocatable: Mapping[str, str]
    steps: tuple[Step, ...]

    def lacking(self) -> tuple[str, ...]:
        """Resources of which more is reserved than there is; the kubelet refuses to start then."""
        return tuple(
            name
            for name in RESOURCES
            if self.capacity[name] and sum(part.get(name, 0) for part in self.parts.values()) >= self.capacity[name]
        )


def profiles() -> tuple[str, ...]:
    """Names of the reservation profiles."""
    names: tuple[str, ...] = module_util("kprov_reserve").PROFILES
    return names


def reserve(capacity: Capacity, settings: Settings) -> Reservation:
    """The arithmetic. ValueError for a quantity that is none and for an unknown profile."""
    found = module_util("kprov_reserve").reserve(asdict(capacity), asdict(settings))
    return Reservation(**{**found, "steps": tuple(Step(**step) for step in found["steps"])})


def hard_defaults(*, any_size: bool = False) -> Mapping[str, str]:
    """kprov's thresholds for small machines. any_size: only those that are the same on every machine."""
    found: Mapping[str, str] = module_util("kprov_reserve").EVICTION_HARD
    capped = module_util("kprov_reserve").EVICTION_HARD_MOST if any_size else {}
    return {signal: threshold for signal, threshold in found.items() if signal not in capped}


def image_threshold(settings: Settings, size: int) -> tuple[str, int]:
    """imagefs.available of evictionHard on a file system of that many bytes: as the kubelet gets it, and in bytes."""
    defaults = module_util("kprov_reserve").eviction_hard_defaults({"image_storage": size})
    threshold = str({**defaults, **settings.eviction_hard}["imagefs.available"])
    return threshold, int(module_util("kprov_quantity").share(threshold, size))


def text(resource: str, number: int) -> str:
    """A number of capacity or parts as a quantity."""
    words: str = module_util("kprov_reserve").text(resource, number)
    return words
