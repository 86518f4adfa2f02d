"""Kubernetes quantities; the implementation is shared with the plugins."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from kprov.content import module_util


def quantity(value: Any) -> Fraction | None:
    """The number that "100Mi", "250m" or 2 stands for; None if it is no quantity."""
    try:
        number: Fraction = module_util("kprov_quantity").parse(value)
    except ValueError:
        return None
    return number


def percentage(value: Any) -> Fraction | None:
    """10 for "10%"; None if it is no percentage."""
    found: Fraction | None = module_util("kprov_quantity").percentage(value)
    return found


def binary_text(number: int) -> str:
    """Bytes as the API prints them: 24057396Ki."""
    text: str = module_util("kprov_quantity").binary_text(number)
    return text
