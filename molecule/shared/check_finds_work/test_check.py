"""Before a converge: check mode sees that there is work to do, and does none of it."""

from __future__ import annotations

from collections.abc import Callable


def test_check_mode_says_what_it_would_change_and_changes_nothing(check: Callable[[], int]) -> None:
    assert check() > 0
