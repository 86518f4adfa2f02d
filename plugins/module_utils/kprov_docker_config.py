"""Docker's daemon.json: reading it, and merging kprov's settings into what is there. Pure.

The unit of ownership is a leaf: {"log-opts": {"max-size": "10m", "tag": "x"}} has two, and kprov may own one of them.
Lists are leaves, but exec-opts is taken apart at its names ("native.cgroupdriver=systemd"), as if it were an object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Lists of NAME=VALUE in which each name stands for itself.
NAMED = ("exec-opts",)
# What word processors and web pages make of ' and ".
TYPOGRAPHIC = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2033"

Path = tuple  # of the names that lead to a leaf


class ConfigError(Exception):
    """daemon.json cannot be understood; the message names the place and is for the user."""


class Change(NamedTuple):
    """A leaf that is not as it was. before, after: None when there was, or is, none. foreign: it was not kprov's."""

    key: str
    before: Any
    after: Any
    foreign: bool

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.key}: {_short(self.after)}"
        if self.after is None:
            return f"{self.key}: {_short(self.before)} removed"
        return f"{self.key}: {_short(self.before)} -> {_short(self.after)}"


class Merged(NamedTuple):
    """config: what the file shall say; changes: the leaves that differ; kept: left as they are, no longer ours."""

    config: dict
    changes: list[Change]
    kept: list[str]


def parse(text: str, path: str) -> dict:
    """The object in a daemon.json; an empty file is an empty object, as for dockerd. path: for messages.

    Raises ConfigError with line and column, and says so when quotes are typographic ones.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(_explain(text, path, error)) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds {_short(value)} and not an object ({{...}})")
    return value


def merge(applied: Sequence[Mapping], live: Mapping, wanted: Mapping) -> Merged:
    """What daemon.json shall be: live with kprov's leaves.

    applied: what kprov wrote before; more than one when a run was killed or rolled back in between. A leaf that kprov
    wants has kprov's value, whoever else set it. A leaf that kprov wrote and no longer wants goes, unless somebody
    changed it since: then it is theirs. All others stay, and so does the order of what is there.
    """
    ours = [_asked_for(config) for config in applied]
    before, want = _leaves(live), _asked_for(wanted)

    def written(path: Path, value: Any) -> bool:
        return any(path in config and _same(config[path], value) for config in ours)

    kept = []
    after = dict(before)
    for path, value in before.items():
        if path in want:
            continue
        # {"log-opts": "x"} cannot stay beside {"log-opts": {"max-size": ...}}.
        in_the_way = any(path == wish[: len(path)] or wish == path[: len(wish)] for wish in want)
        if in_the_way or written(path, value):
            del after[path]
        elif any(path in config for config in ours):
            kept.append(".".join(path))
    after.update(want)
    changes = [
        Change(".".join(path), before.get(path), after.get(path), path in before and not written(path, before[path]))
        for path in dict.fromkeys([*before, *after])
        if (path in before) != (path in after) or not _same(before[path], after[path])
    ]
    return Merged(_tree(after) if changes else dict(live), changes, kept)


def render(config: Mapping) -> str:
    """The text of the file."""
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _asked_for(config: Mapping) -> dict[Path, Any]:
    """Leaves that kprov wants or wanted: an empty object asks for nothing."""
    return {path: value for path, value in _leaves(config).items() if value != {}}


def _leaves(config: Mapping, prefix: Path = ()) -> dict[Path, Any]:
    """Path to value, in the order of the file. An empty object is a leaf."""
    found: dict[Path, Any] = {}
    for name, value in config.items():
        path = (*prefix, name)
        if not prefix and name in NAMED and isinstance(value, list) and all(isinstance(v, str) for v in value):
            found.update({(*path, entry.partition("=")[0]): entry for entry in value} or {path: []})
        elif isinstance(value, Mapping) and value:
            found.update(_leaves(value, path))
        else:
            found[path] = value
    return found


def _tree(leaves: Mapping[Path, Any]) -> dict:
    """The opposite of _leaves."""
    tree: dict = {}
    for path, value in leaves.items():
        if len(path) == 2 and path[0] in NAMED and isinstance(value, str) and value.partition("=")[0] == path[1]:
            tree.setdefault(path[0], []).append(value)
            continue
        place = tree
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    return tree


def _same(one: Any, other: Any) -> bool:
    """As JSON: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _explain(text: str, path: str, error: json.JSONDecodeError) -> str:
    for number, line in enumerate(text.splitlines()[: error.lineno], 1):
        for column, letter in enumerate(line, 1):
            if letter in TYPOGRAPHIC:
                return (
                    f'{path}, line {number}, column {column}: {letter} is a typographic quote; JSON needs the plain "'
                )
    return f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
