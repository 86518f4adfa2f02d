"""Values are converted as Ansible converts them, unless a role would then see something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.spec.coerce import WrongValue, coerce
from kprov.spec.declarations import Declaration, Type


def declared(kind: Type, **fields: Any) -> Declaration:
    return Declaration("name", "role", kind, None, "", **fields)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "8", 8),
        ("int", 8.0, 8),
        ("bool", "yes", True),
        ("bool", 1, True),
        ("bool", 0, False),
        ("str", 1.36, "1.36"),
        ("str", 7, "7"),
        ("float", "0.5", 0.5),
        ("path", "/a", "/a"),
        ("list", ["a"], ["a"]),
        ("dict", {"a": 1}, {"a": 1}),
        ("raw", [1, {}], [1, {}]),
    ],
)
def test_accepts(kind: Type, value: Any, expected: Any) -> None:
    result = coerce(declared(kind), value)
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("int", "eight", "a whole number"),
        ("int", "8.5", "a whole number"),
        ("int", True, "a whole number"),
        ("int", "inf", "a whole number"),
        ("int", "nan", "a whole number"),
        ("int", [], "a whole number, not a list"),
        ("bool", "perhaps", "true or false"),
        ("bool", 2, "true or false"),
        ("str", ["a"], "a text, not a list"),
        ("str", True, "a text, not the boolean true"),
        ("list", "a,b", "a list, not a text"),
        ("dict", [], "a dictionary, not a list"),
        ("dict", None, "has no value"),
    ],
)
def test_refuses(kind: Type, value: Any, message: str) -> None:
    with pytest.raises(WrongValue, match=message):
        coerce(declared(kind), value)


@pytest.mark.parametrize("value", ["no", "false", "False", "off", "0"])
def test_refuses_a_text_that_means_false_because_a_role_takes_it_for_true(value: str) -> None:
    with pytest.raises(WrongValue, match="counts as true inside a role"):
        coerce(declared("bool"), value)


def test_refuses_what_is_not_a_choice_and_lists_the_choices() -> None:
    with pytest.raises(WrongValue, match="'ipvs' is not one of iptables, nftables"):
        coerce(declared("str", choices=("iptables", "nftables")), "ipvs")


def test_says_how_to_write_a_choice_that_yaml_reads_as_a_boolean() -> None:
    with pytest.raises(WrongValue) as caught:
        coerce(declared("str", choices=("off", "keep")), False)
    assert caught.value.hint == 'write "off" in quotes: YAML reads off without quotes as a boolean'


def test_converts_items_of_a_list() -> None:
    assert coerce(declared("list", elements="str"), ["a", 1]) == ["a", "1"]
    with pytest.raises(WrongValue):
        coerce(declared("list", elements="str"), ["a", {}])


@given(st.integers())
def test_any_integer_survives_as_text_and_as_number(number: int) -> None:
    assert coerce(declared("int"), number) == coerce(declared("int"), str(number)) == number
