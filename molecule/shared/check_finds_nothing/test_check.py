"""After a converge: check mode finds nothing to do."""

from __future__ import annotations

from collections.abc import Callable


def test_check_mode_finds_nothing_to_change(check: Callable[[], int]) -> None:
    assert check() == 0
