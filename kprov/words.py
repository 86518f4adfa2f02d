"""Words in messages that depend on a number, and numbers of bytes as people read them."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 host", "2 hosts". noun: the singular, whose plural has an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(number: int) -> str:
    """Bytes for people: "12.3 MiB", "512 B"."""
    if abs(number) < 1024:
        return f"{number} B"
    value, unit = number / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if abs(value) < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}"
