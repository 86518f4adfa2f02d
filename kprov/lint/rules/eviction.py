"""A node that runs full: thresholds, grace periods, and unused images that go before pods do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.lint.record import Facts, View
from kprov.lint.rule import Rule, Word
from kprov.reserve.quantity import percentage, quantity
from kprov.spec.checks.kubelet_eviction import SIGNALS


def _signals(view: View, facts: Facts) -> Word | None:
    hard = _thresholds(view)
    if hard is None:
        return None
    off = [signal for signal in SIGNALS if percentage(hard.get(signal, "0%")) in (0, 100)]
    text = ", ".join(f"{signal} {hard[signal]}" for signal in SIGNALS if signal in hard) or "none"
    return Word(text, f"no hard threshold for {', '.join(off)}" if off else None)


def _grace(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    soft = view.kubelet.get("evictionSoft") or {}
    grace = view.kubelet.get("evictionSoftGracePeriod") or {}
    without = [signal for signal in soft if signal not in grace]
    text = ", ".join(f"{signal} {value} after {grace.get(signal, '-')}" for signal, value in soft.items()) or "none"
    problem = f"soft threshold without a grace period: {', '.join(without)}; the kubelet does not start"
    return Word(text, problem if without else None, fatal=True)


def _image_gc(view: View, facts: Facts) -> Word | None:
    hard = _thresholds(view)
    if hard is None or view.kubelet is None:
        return None
    high = view.kubelet.get("imageGCHighThresholdPercent")
    low = view.kubelet.get("imageGCLowThresholdPercent")
    edge = _edge(hard.get("imagefs.available"), facts)
    text = f"from {high} % down to {low} %, eviction at {'?' if edge is None else f'{edge:g} %'}"
    if low >= high:
        return Word(
            text, f"it would stop at {low} %, above its start at {high} %; the kubelet does not start", fatal=True
        )
    if high >= 100:
        return Word(text, "unused images are never deleted, so a full disk evicts pods")
    if edge is not None and high >= edge:
        return Word(text, f"unused images are deleted from {high} % on, but pods are evicted at {edge:g} % already")
    return Word(text)


def _thresholds(view: View) -> Mapping[str, Any] | None:
    return view.kubelet.get("evictionHard") if view.kubelet else None


def _edge(threshold: Any, facts: Facts) -> float | None:
    """Per cent of imagefs in use at which pods are evicted; None if there is no threshold or the size is not known."""
    free = percentage(threshold) if threshold is not None else None
    if free is None and threshold is not None and facts.capacity and facts.capacity.image_storage:
        number = quantity(threshold)
        free = None if number is None else number * 100 / facts.capacity.image_storage
    return round(100 - float(free), 1) if free and free < 100 else None


RULES = (
    Rule(
        "eviction-signals",
        _signals,
        "set the signals in kubelet_eviction_hard; take the file that switches them off (`kubelet-differs`) away",
    ),
    Rule("eviction-grace", _grace, "set kubelet_eviction_soft_grace_period for the same signals, 1m30s for example"),
    Rule("image-gc", _image_gc, "keep kubelet_image_gc_high_threshold below 100 minus imagefs.available"),
)
