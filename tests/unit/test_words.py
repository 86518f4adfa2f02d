"""Numbers and their nouns in messages."""

from __future__ import annotations

import pytest

from kprov.words import count


@pytest.mark.parametrize(("number", "text"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")])
def test_one_is_singular(number: int, text: str) -> None:
    assert count(number, "host") == text
