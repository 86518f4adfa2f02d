"""Quantities as the kubelet reads and prints them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.content import module_util
from kprov.reserve.quantity import binary_text, percentage, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100Mi", 100 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("250m", Fraction(1, 4)),
        ("1e3", 1000),
        ("2", 2),
        (2, 2),
        ("1k", 1000),
        (".5", Fraction(1, 2)),
        ("100MB", None),
        ("10%", None),
        ("", None),
        ("1 Gi", None),
        (True, None),
    ],
)
def test_quantity(text: object, number: object) -> None:
    assert quantity(text) == number


def test_percentage() -> None:
    assert percentage("10%") == 10
    assert percentage("0.5%") == Fraction(1, 2)
    assert percentage("10") is None
    assert percentage("-1%") is None


@given(st.integers(min_value=0, max_value=2**60))
def test_text_of_bytes_means_the_same_number_and_is_canonical(number: int) -> None:
    text = binary_text(number)
    assert quantity(text) == number
    digits = int("".join(c for c in text if c.isdigit()))
    assert digits < 1024 or digits % 1024


@pytest.mark.parametrize(("thousandths", "text"), [(1830, "1830m"), (2000, "2"), (0, "0"), (1_000_000, "1k")])
def test_text_of_cores(thousandths: int, text: str) -> None:
    assert module_util("kprov_quantity").decimal_text(thousandths) == text


def test_percentage_is_a_32_bit_float_as_in_the_kubelet() -> None:
    # A node seen live: nodefs 31270768Ki, threshold 10 %, Allocatable 28819139742.
    assert 31270768 * 1024 - module_util("kprov_quantity").share("10%", 31270768 * 1024) == 28819139742
