"""Names for certificates in the text of kubeadm's configuration, without a YAML library (nodes need not have one).

Only what kubeadm itself and kprov write is understood: block mappings at the left margin, lists in either style.
"""

from __future__ import annotations

import json
import re
from typing import Callable

# kubeadm's fields (kubeadm-config.v1beta4): certificate to where its further names are in ClusterConfiguration.
FIELDS = {
    "apiserver": ("apiServer", "certSANs"),
    "etcd-server": ("etcd", "local", "serverCertSANs"),
    "etcd-peer": ("etcd", "local", "peerCertSANs"),
}
DOCUMENT = re.compile(r"^---[ \t]*$", re.MULTILINE)


class ConfigError(Exception):
    """The configuration is written in a way that is not understood here."""


def with_names(config: str, names: dict[str, list[str]]) -> str:
    """The configuration with these names of certificates added to those that it has. Raises ConfigError."""

    def extended(lines: list[str]) -> list[str]:
        for certificate, wanted in names.items():
            lines = _extend(lines, FIELDS[certificate], wanted)
        return lines

    return _changed(config, extended)


def with_directory(config: str, directory: str) -> str:
    """The configuration with another directory of certificates. Raises ConfigError."""

    def moved(lines: list[str]) -> list[str]:
        kept = [line for line in lines if not line.startswith("certificatesDir:")]
        return [*kept, f"certificatesDir: {json.dumps(directory)}"]

    return _changed(config, moved)


def _changed(config: str, change: Callable[[list[str]], list[str]]) -> str:
    """With the lines of its ClusterConfiguration changed."""
    documents = DOCUMENT.split(config)
    for index, document in enumerate(documents):
        if re.search(r"^kind:\s*ClusterConfiguration\s*$", document, re.MULTILINE):
            documents[index] = "\n".join(change(document.rstrip("\n").split("\n"))) + "\n"
            return "---".join(documents)
    raise ConfigError("there is no ClusterConfiguration")


def _extend(lines: list[str], path: tuple[str, ...], names: list[str]) -> list[str]:
    """The list at a path of keys, made if it is not there, with further names, as one line of JSON, which is YAML."""
    start, end, indent = 0, len(lines), 0
    for depth, key in enumerate(path):
        at = _find(lines, start, end, indent, key)
        if at is None:
            rest = [f"{' ' * (indent + 2 * i)}{name}:" for i, name in enumerate(path[depth:])]
            rest[-1] += f" {json.dumps(names)}"
            return [*lines[:start], *rest, *lines[start:]] if depth else [*lines, *rest]
        value = lines[at].split(":", 1)[1].strip()
        until = _end(lines, at, end, indent)
        if depth == len(path) - 1:
            old = _list(value, lines[at + 1 : until])
            both = [*old, *(name for name in names if name not in old)]
            return [*lines[:at], f"{' ' * indent}{key}: {json.dumps(both)}", *lines[until:]]
        if value not in ("", "{}"):
            raise ConfigError(f"{key} is not written as a block")
        lines = [*lines[:at], f"{' ' * indent}{key}:", *lines[at + 1 :]]
        start, end = at + 1, until
        inner = next((line for line in lines[start:end] if line.strip() and not line.strip().startswith("#")), "")
        indent = len(inner) - len(inner.lstrip()) if inner else indent + 2
    raise AssertionError("a path has at least one key")


def _find(lines: list[str], start: int, end: int, indent: int, key: str) -> int | None:
    """Line of a key at this indentation."""
    found = (at for at in range(start, end) if re.match(rf"{' ' * indent}{key}:(\s|$)", lines[at]))
    return next(found, None)


def _end(lines: list[str], at: int, end: int, indent: int) -> int:
    """Where what belongs to a key ends; items of a list may stand as far left as their key."""
    for index in range(at + 1, end):
        line = lines[index]
        left = len(line) - len(line.lstrip())
        if line.strip() and (left < indent or (left == indent and not line.lstrip().startswith("- "))):
            return index
    return end


def _list(value: str, lines: list[str]) -> list[str]:
    if value in ("", "null", "[]"):
        items = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if not all(item.startswith("- ") for item in items):
            raise ConfigError("a list of names is not written one name a line")
        return [item[2:].strip().strip("\"'") for item in items]
    if re.fullmatch(r"\[[^\[\]{}]*\]", value):
        return [item.strip().strip("\"'") for item in value[1:-1].split(",") if item.strip()]
    raise ConfigError(f"a list of names is not understood: {value}")
