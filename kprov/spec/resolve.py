"""Inventory -> hosts, groups and variables with Ansible's own precedence: `ansible-inventory --list`, as a process.

The process is started first and read last, so that kprov's own work happens while it runs (it takes about 0.5 s,
nearly all of it imports).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.spec.scan import Place

TIMEOUT = 120.0  # seconds; a dynamic inventory may ask a slow API

# What Ansible may see of the user's environment.
PASSED_ON = ("HOME", "PATH", "TMPDIR", "USER", "ANSIBLE_VAULT_PASSWORD_FILE")


ORIGIN = re.compile(r"^Origin: (?P<file>/[^:\n]+)(?::(?P<line>\d+))?", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """A message of Ansible's, without the lines of the file that it quotes: they may hold secrets."""

    text: str
    place: Place | None = None


@dataclass(frozen=True)
class Resolved:
    """What Ansible made of an inventory. Values are not templated; vaulted ones are {"__ansible_vault": ciphertext}.

    groups: name -> hosts of the group and of its children, in Ansible's order; parents: group -> the groups it is a
    child of.
    warnings: what Ansible complained about.
    """

    hosts: Mapping[str, dict[str, Any]]
    groups: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, frozenset[str]]
    warnings: tuple[Said, ...] = ()


class Unparsable(Exception):
    """Ansible cannot read the inventory. said: what it wrote, as it wrote it."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def environment() -> dict[str, str]:
    """The whole environment of Ansible's programs while an inventory is read."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # Ansible refuses to start in a locale that is not UTF-8.
    return {
        **passed,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(Path(__file__).with_name("ansible.cfg")),
        "ANSIBLE_NOCOLOR": "1",
    }


def program(name: str) -> str:
    """Path of one of Ansible's programs: the one that belongs to the Python that runs kprov."""
    return str(Path(sys.executable).parent / name)


class Resolving:
    """A running `ansible-inventory`. Use as a context manager: leaving it ends a process that still runs."""

    def __init__(self, inventory: Path) -> None:
        self._process = subprocess.Popen(
            [program("ansible-inventory"), "-i", str(inventory), "--list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Resolving:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def result(self) -> Resolved:
        """Wait for the answer. Raises Unparsable when Ansible refuses the inventory or does not answer in time."""
        try:
            out, err = self._process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            message = f"ansible-inventory did not finish within {TIMEOUT:.0f} s"
            raise Unparsable(message) from None
        if self._process.returncode != 0:
            raise Unparsable(err.strip() or out.strip())
        return parse(out, err)


def parse(listing: str, messages: str = "") -> Resolved:
    """The output of `ansible-inventory --list`, and what it wrote to stderr."""
    data: dict[str, Any] = json.loads(listing)
    hosts: dict[str, dict[str, Any]] = data.pop("_meta")["hostvars"]
    groups = {name: _members(data, name) for name in data}
    parents: dict[str, set[str]] = {name: set() for name in data}
    for name, group in data.items():
        for child in group.get("children", ()):
            parents.setdefault(child, set()).add(name)
    # Ansible sorts hostvars by name; the inventory's order is in the groups.
    order = dict.fromkeys([*groups.get("all", ()), *hosts])
    return Resolved(
        hosts={name: hosts.get(name, {}) for name in order},
        groups=groups,
        parents={name: frozenset(above) for name, above in parents.items()},
        warnings=_warnings(messages),
    )


def _members(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Hosts of a group, its own before those of its children, level by level, as Ansible's Group.get_hosts()."""
    hosts: dict[str, None] = {}
    queue, seen = [name], {name}
    while queue:
        group = data.get(queue.pop(0), {})
        hosts.update(dict.fromkeys(group.get("hosts", ())))
        for child in group.get("children", ()):
            if child not in seen:
                seen.add(child)
                queue.append(child)
    return tuple(hosts)


def _warnings(messages: str) -> tuple[Said, ...]:
    blocks = re.split(r"^\[(WARNING|ERROR|DEPRECATION WARNING)\]: ", messages, flags=re.MULTILINE)[1:]
    return tuple(_said(text) for kind, text in zip(blocks[::2], blocks[1::2], strict=True) if kind == "WARNING")


def _said(block: str) -> Said:
    text = " ".join(block.split("\nOrigin: ", maxsplit=1)[0].split())
    origin = ORIGIN.search(block)
    return Said(text, Place(origin["file"], int(origin["line"] or 1)) if origin else None)
