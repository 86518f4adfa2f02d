"""Spans of time as people type and read them: 30d, 12h, 90m."""

from __future__ import annotations

import re

from kprov.certs.node.span import SECONDS, words
from kprov.errors import InputError

__all__ = ["SECONDS", "seconds", "words"]
SPAN = re.compile(rf"(?:[0-9]+[{''.join(SECONDS)}])+")


def seconds(text: str, option: str) -> int:
    """30d -> 2592000; parts may follow each other, as in 1d12h. Raises InputError, which names the option."""
    if not SPAN.fullmatch(text):
        hint = "a number and w, d, h, m or s, for example 30d or 12h"
        raise InputError(f"{option} {text!r} is not a span of time", hint=hint)
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)(\w)", text))
