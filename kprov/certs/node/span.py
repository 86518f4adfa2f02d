"""Spans of time as people read them."""

from __future__ import annotations

SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def words(span: float) -> str:
    """Its largest two units, and from ten days on only days: 364d, 9d 3h, 12m 30s; what is over has "ago"."""
    rest = int(abs(span))
    if rest >= 10 * SECONDS["d"]:
        text = f"{rest // SECONDS['d']}d"
    else:
        parts = []
        for unit in "dhms":
            number, rest = divmod(rest, SECONDS[unit])
            parts.append(f"{number}{unit}" if number else "")
        first = next((position for position, part in enumerate(parts) if part), 3)
        text = " ".join(part for part in parts[first : first + 2] if part) or "0s"
    return text if span >= 0 else f"{text} ago"
