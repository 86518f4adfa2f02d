"""Words in messages that depend on a number."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 host", "2 hosts". noun: the singular, whose plural has an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
