"""Kubernetes quantities ("100Mi", "250m") and eviction thresholds ("10%"), as the kubelet reads and prints them.

Sources: k8s.io/apimachinery/pkg/api/resource (quantity.go, suffix.go), pkg/kubelet/eviction/helpers.go, v1.36.3.
"""

from __future__ import annotations

import re
import struct
from fractions import Fraction

MI = 2**20
GI = 2**30
BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
DECIMAL = ("k", "M", "G", "T", "P", "E")
FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1024 ** (i + 1)) for i, suffix in enumerate(BINARY)},
    **{suffix: Fraction(1000 ** (i + 1)) for i, suffix in enumerate(DECIMAL)},
}
QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?")
PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)%")


def parse(value: object) -> Fraction:
    """A quantity as a number (bytes, cores, processes). ValueError if it is none."""
    match = QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError(f"{value!r} is not a quantity such as 500m, 100Mi or 2")
    number, suffix, exponent = match.groups()
    return Fraction(number.rstrip(".")) * (Fraction(10) ** int(exponent) if exponent else FACTORS[suffix or ""])


def percentage(value: object) -> Fraction | None:
    """10 for "10%"; None for everything that is not a percentage."""
    match = PERCENTAGE.fullmatch(str(value))
    return Fraction(match.group(1)) if match else None


def share(threshold: object, capacity: int) -> int:
    """Bytes (or processes) that a threshold stands for on a capacity.

    The kubelet takes a percentage as a 32-bit float and cuts the product off (eviction/api: GetThresholdQuantity).
    """
    percent = percentage(threshold)
    if percent is None:
        return whole(parse(threshold))
    return int(float(capacity) * float32(float32(float(percent)) / 100))


def float32(value: float) -> float:
    """The nearest 32-bit float."""
    return struct.unpack("f", struct.pack("f", value))[0]


def whole(value: Fraction) -> int:
    """Quantity.Value(): rounded up."""
    return -(-value.numerator // value.denominator)


def milli(value: Fraction) -> int:
    """Quantity.MilliValue(): thousandths, rounded up."""
    return whole(value * 1000)


def binary_text(number: int) -> str:
    """A number of bytes as the API prints it: 24057396Ki, 2Gi, 28819139742."""
    if abs(number) < 1024:
        return str(number)
    return _shortest(number, 1024, BINARY)


def decimal_text(thousandths: int) -> str:
    """A number of cores or pods, in thousandths, as the API prints it: 1830m, 2, 110."""
    return f"{thousandths}m" if thousandths % 1000 else _shortest(thousandths // 1000, 1000, DECIMAL)


def _shortest(number: int, base: int, suffixes: tuple) -> str:
    suffix = ""
    for candidate in suffixes:
        if number == 0 or number % base:
            break
        number, suffix = number // base, candidate
    return f"{number}{suffix}"
