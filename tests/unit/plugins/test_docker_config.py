"""daemon.json: the merge keeps what is not kprov's, and an unreadable file is explained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.kprov_docker_config import ConfigError, merge, parse, render
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.sampled_from(["log-driver", "log-opts", "data-root", "dns", "runtimes", "debug", "labels", "mtu"])
SCALARS = st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from(["10m", "journald", ""]))
LEAVES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2))
NESTED = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
CONFIGS = st.dictionaries(KEYS, NESTED, max_size=6)


def leaves(config: dict[str, Any], prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found.update(leaves(value, (*prefix, key)))
        else:
            found[(*prefix, key)] = json.dumps(value)
    return found


def related(path: tuple[str, ...], paths: Any) -> bool:
    return any(path == other[: len(path)] or other == path[: len(other)] for other in paths)


@given(CONFIGS, CONFIGS)
def test_foreign_leaves_survive_and_wanted_ones_are_there(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    got = leaves(merge([], live, wanted).config)
    want = leaves(wanted)
    assert {path: got[path] for path in want} == want
    foreign = {path: value for path, value in leaves(live).items() if not related(path, want)}
    assert {path: got.get(path) for path in foreign} == foreign
    assert set(got) == set(want) | set(foreign)


@given(CONFIGS, CONFIGS)
def test_a_second_merge_changes_nothing(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    first = merge([], live, wanted)
    again = merge([wanted], first.config, wanted)
    assert (again.changes, again.kept) == ([], [])
    assert json.dumps(again.config) == json.dumps(first.config)


@given(CONFIGS, CONFIGS, CONFIGS)
def test_what_kprov_wrote_goes_when_it_is_not_wanted(
    foreign: dict[str, Any], first: dict[str, Any], then: dict[str, Any]
) -> None:
    live = merge([], foreign, first).config
    got = leaves(merge([first], live, then).config)
    others = {path for path in leaves(foreign) if not related(path, leaves(first))}
    assert set(got) == set(leaves(then)) | {path for path in others if not related(path, leaves(then))}


@given(CONFIGS, CONFIGS)
def test_installing_and_removing_leaves_what_was_there(foreign: dict[str, Any], ours: dict[str, Any]) -> None:
    live = merge([], foreign, ours).config
    left = leaves(merge([ours], live, {}).config)
    assert left == {path: value for path, value in leaves(foreign).items() if not related(path, leaves(ours))}


@given(CONFIGS, CONFIGS, CONFIGS)
def test_changes_say_exactly_what_differs(live: dict[str, Any], last: dict[str, Any], wanted: dict[str, Any]) -> None:
    merged = merge([last], live, wanted)
    if not merged.changes:
        assert json.dumps(merged.config) == json.dumps(live)
    before, after = leaves(live), leaves(merged.config)
    differ = {".".join(path) for path in {*before, *after} if before.get(path) != after.get(path)}
    assert differ <= {change.key for change in merged.changes}


@given(CONFIGS)
def test_rendered_and_parsed_is_the_same(config: dict[str, Any]) -> None:
    assert parse(render(config), "f") == config


def test_order_of_the_file_stays() -> None:
    live = {"z": 1, "log-driver": "local", "a": 2}
    assert list(merge([], live, {"log-driver": "json-file", "b": 1}).config) == ["z", "log-driver", "a", "b"]


def test_last_applied_equals_wanted_is_no_change() -> None:
    ours = {"log-opts": {"max-size": "10m"}, "exec-opts": ["native.cgroupdriver=systemd"]}
    assert merge([ours], {**ours, "debug": True}, ours).changes == []


def test_options_of_exec_opts_stand_for_themselves() -> None:
    live = {"exec-opts": ["native.cgroupdriver=cgroupfs", "native.umask=normal"]}
    merged = merge([], live, {"exec-opts": ["native.cgroupdriver=systemd"]})
    assert merged.config == {"exec-opts": ["native.cgroupdriver=systemd", "native.umask=normal"]}
    assert [str(change) for change in merged.changes] == [
        'exec-opts.native.cgroupdriver: "native.cgroupdriver=cgroupfs" -> "native.cgroupdriver=systemd"'
    ]
    assert merged.changes[0].foreign


def test_a_value_that_somebody_changed_is_theirs_once_kprov_does_not_want_it() -> None:
    merged = merge([{"mtu": 1450}], {"mtu": 1400}, {})
    assert (merged.config, merged.changes, merged.kept) == ({"mtu": 1400}, [], ["mtu"])


def test_a_value_of_a_run_that_was_rolled_back_is_known() -> None:
    """Applied A; B was written and rolled back to A; now neither is wanted."""
    assert merge([{"mtu": 9000}, {"mtu": 1450}], {"mtu": 1450, "debug": True}, {}).config == {"debug": True}


def test_true_is_not_one() -> None:
    assert merge([], {"live-restore": 1}, {"live-restore": True}).config == {"live-restore": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "log-driver": “json-file”\n}', "d.json, line 2, column 17: “ is a typographic quote"),
        ("{\n “graph”: “/data/docker”,\n}", "d.json, line 2, column 2: “ is a typographic quote"),
        ('{\n  "graph": "/data",\n}', "d.json, line 3, column 1: not valid JSON"),
        ('{"a": 1', "d.json, line 1, column 8: not valid JSON"),
        ("[1]", "d.json holds [1] and not an object"),
    ],
)
def test_an_unreadable_file_is_explained(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "d.json")
    assert message in str(caught.value)


def test_an_empty_file_is_empty_configuration() -> None:
    assert parse("\n", "d.json") == {}


def test_typographic_quotes_inside_of_a_value_are_no_mistake() -> None:
    assert parse('{"labels": ["“x”"]}', "d.json") == {"labels": ["“x”"]}
