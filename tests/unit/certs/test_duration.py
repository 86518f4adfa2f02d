"""Spans of time as people type and read them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.certs.duration import SECONDS, seconds, words
from kprov.errors import InputError

PARTS = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("wdhms")), min_size=1)


@settings(deadline=None)
@given(PARTS)
def test_parts_are_added(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert seconds(text, "--warn") == sum(number * SECONDS[unit] for number, unit in parts)


@settings(deadline=None)
@given(st.text())
def test_anything_else_is_an_input_error(text: str) -> None:
    try:
        assert seconds(text, "--warn") >= 0
    except InputError as error:
        assert "for example 30d" in str(error.hint)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30d ", "30 d", "1y", "１d"])  # noqa: RUF001
def test_no_span(text: str) -> None:
    with pytest.raises(InputError, match="--warn"):
        seconds(text, "--warn")


@settings(deadline=None)
@given(st.integers(0, 10 * 86400 - 1))
def test_words_are_what_one_can_type_to_the_second_largest_unit(span: int) -> None:
    text = words(span)
    read = seconds(text.replace(" ", ""), "--warn")
    smallest = SECONDS[text[-1]]
    assert span - read >= 0
    assert span - read < (SECONDS[text[0:][-1]] if " " in text else max(smallest, 60 * smallest))


@settings(deadline=None)
@given(st.floats(-1e12, 1e12))
def test_what_is_over_has_ago_and_the_rest_is_the_same(span: float) -> None:
    if span < 0:
        assert words(span) == f"{words(-span)} ago"
    else:
        assert "ago" not in words(span)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (750, "12m 30s"),
        (3600, "1h"),
        (3605, "1h"),
        (9 * 86400 + 3 * 3600 + 59, "9d 3h"),
        (10 * 86400 - 1, "9d 23h"),
        (10 * 86400, "10d"),
        (364.9 * 86400, "364d"),
        (-86400, "1d ago"),
    ],
)
def test_examples(span: float, text: str) -> None:
    assert words(span) == text
