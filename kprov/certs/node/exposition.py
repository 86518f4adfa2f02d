"""Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable


def gauge(name: str, about: str, samples: Iterable[tuple[dict[str, str], float]]) -> str:
    """One gauge with all its samples (labels, value); empty where there is none."""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    lines += [f"{name}{{{_text(labels)}}} {float(value)!r}" for labels, value in samples]
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def _text(labels: dict[str, str]) -> str:
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
