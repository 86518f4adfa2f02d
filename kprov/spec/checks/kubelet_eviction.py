"""Eviction and image garbage collection of the kubelet.

The kubelet refuses to start on most of these, or takes them silently for something else
(k8s.io/kubernetes v1.36.3, pkg/kubelet/eviction/helpers.go, pkg/kubelet/apis/config/validation).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from kprov.reserve.quantity import percentage, quantity
from kprov.reserve.reservation import hard_defaults
from kprov.spec.checks.kubelet_fields import Field, distinct
from kprov.spec.checks.kubernetes import go_duration
from kprov.spec.draft import Draft
from kprov.spec.report import Report

SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)
HARD = ("kubelet_eviction_hard", "evictionHard")
SOFT = ("kubelet_eviction_soft", "evictionSoft")
GRACE = ("kubelet_eviction_soft_grace_period", "evictionSoftGracePeriod")
RECLAIM = ("kubelet_eviction_minimum_reclaim", "evictionMinimumReclaim")
MOST = ("kubelet_eviction_max_pod_grace_period", "evictionMaxPodGracePeriod")
HIGH = ("kubelet_image_gc_high_threshold", "imageGCHighThresholdPercent")
LOW = ("kubelet_image_gc_low_threshold", "imageGCLowThresholdPercent")
FIELDS = (HARD, SOFT, GRACE, RECLAIM, MOST, HIGH, LOW)


def signals(draft: Draft, report: Report) -> None:
    """Only signals that the kubelet knows; it would not start with another one."""
    for name in (HARD, SOFT, GRACE, RECLAIM):
        for (found,) in distinct(draft, name):
            for signal in found.value:
                if signal not in SIGNALS:
                    _error(report, "eviction-signal", found, f"{signal!r} is not an eviction signal", _meant(signal))


def thresholds(draft: Draft, report: Report) -> None:
    """A threshold is a quantity or a percentage; 0 % is a switch, and worth a word."""
    for name in (HARD, SOFT, RECLAIM):
        for (found,) in distinct(draft, name):
            for signal, value in found.value.items():
                percent, number = percentage(value), quantity(value)
                wrong = percent > 100 if percent is not None else number is None or number < 0
                if wrong or (number == 0 and name is not RECLAIM):
                    text = f"{signal}: {value!r} is neither a quantity such as 1Gi nor a percentage such as 10%"
                    _error(report, "eviction-threshold", found, text)
                elif name is HARD and percent in (0, 100):
                    report.warning(
                        "eviction-off",
                        f"{found.variable}: {signal} {value} switches eviction by this signal off",
                        host=found.host.name,
                        variable=found.variable,
                        hint="for test clusters only: a full disk or memory then takes the whole node down",
                    )


def soft_thresholds(draft: Draft, report: Report) -> None:
    """A soft threshold has a grace period and acts before the hard one; a grace period belongs to one."""
    for hard, soft, grace, most in distinct(draft, HARD, SOFT, GRACE, MOST):
        limits = {**hard_defaults(any_size=True), **hard.value}
        for signal, value in soft.value.items():
            if signal not in grace.value:
                hint = f"set {GRACE[0]}: {{{signal}: 1m30s}}"
                _error(report, "eviction-grace", soft, f"{signal} has no grace period", hint)
            if signal in limits and _weaker(value, limits[signal]):
                text = f"{signal}: soft {value} is not above hard {limits[signal]}, so it would never act"
                _error(report, "eviction-soft", soft, text)
        for signal, value in grace.value.items():
            if go_duration(str(value)) is None:
                _error(report, "duration", grace, f"{signal}: {value!r} is not a duration such as 90s or 1m30s")
            elif signal in SIGNALS and signal not in soft.value:
                text = f"{grace.variable}: {signal} has a grace period but no soft threshold"
                report.warning("eviction-grace", text, host=grace.host.name, variable=grace.variable)
        if most.value < 0:
            _error(report, "eviction-grace", most, f"{most.value} is less than 0 seconds")
        elif soft.value and most.value == 0:
            report.warning(
                "eviction-grace",
                f"{most.variable}: with {MOST[0]} 0 a soft eviction kills pods at once",
                host=most.host.name,
                variable=most.variable,
                hint="60 leaves them up to a minute to end",
            )


def image_garbage_collection(draft: Draft, report: Report) -> None:
    """Unused images go before running pods: low < high < 100 - imagefs.available."""
    for high, low, hard in distinct(draft, HIGH, LOW, HARD):
        for one in (high, low):
            if not 0 <= one.value <= 100:
                _error(report, "image-gc", one, f"{one.value} is not a percentage from 0 to 100")
        if low.value >= high.value:
            text = f"the low threshold {low.value} must be below the high one, {high.value}"
            _error(report, "image-gc", low if low.variable in low.host.raw else high, text)
        left = percentage({**hard_defaults(), **hard.value}["imagefs.available"])
        if left and high.value >= 100 - left:
            report.warning(
                "image-gc",
                f"unused images are deleted from {high.value} % on, but pods are evicted at {float(100 - left):g} %",
                host=high.host.name,
                variable=next((one.variable for one in (high, hard) if one.variable in one.host.raw), None),
                hint=f"keep {HIGH[0]} below 100 minus imagefs.available",
            )


def _weaker(soft: Any, hard: Any) -> bool:
    """Whether the soft threshold is reached no earlier than the hard one, as far as that can be said."""
    one, other = percentage(soft), percentage(hard)
    if one is None and other is None:
        one, other = quantity(soft), quantity(hard)
    if one is None or other is None or other in (0, 100):
        return False
    return one <= other


def _meant(signal: str) -> str:
    if signal.startswith("containerfs."):
        return "containerfs follows nodefs or imagefs by itself"
    lower = {known.lower(): known for known in SIGNALS}
    close = get_close_matches(str(signal).lower(), lower, n=1)
    return f"did you mean {lower[close[0]]}?" if close else f"there are {', '.join(SIGNALS)}"


def _error(report: Report, code: str, found: Field, text: str, hint: str | None = None) -> None:
    report.error(code, f"{found.variable}: {text}", host=found.host.name, variable=found.variable, hint=hint)
