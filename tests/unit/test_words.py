"""Numbers and their nouns in messages, bytes for people."""

from __future__ import annotations

import pytest

from kprov.words import count, size


@pytest.mark.parametrize(("number", "text"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")])
def test_one_is_singular(number: int, text: str) -> None:
    assert count(number, "host") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**20, "5.0 MiB"), (2**30 * 3 // 2, "1.5 GiB")],
)
def test_bytes_as_people_read_them(number: int, text: str) -> None:
    assert size(number) == text


def test_the_largest_unit_goes_on() -> None:
    assert size(2**50) == "1024.0 TiB"
