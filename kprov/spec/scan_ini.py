"""Places in an INI inventory. The rules are those of Ansible's `ini` inventory plugin (ansible-core 2.19)."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Iterator

from kprov.spec.scan import Fault, Owner, Place, Scan

SECTION = re.compile(r"^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$")
RANGE = re.compile(r"\[([^\[\]:]+):([^\[\]:]+)(?::(\d+))?\]")
PORT = re.compile(r"^(?P<host>[^:]*(?:\[[^\]]*\][^:]*)*):(?P<port>\d+)$")


def scan_ini(text: str, file: str, scan: Scan) -> None:
    """Collect hosts, groups, variables and faults of one INI inventory."""
    group, state = "ungrouped", "hosts"
    wanted: dict[str, tuple[Place, str]] = {}  # groups that must be declared somewhere in this file
    declared = {"all", "ungrouped"}
    for number, raw in enumerate(text.splitlines(), 1):
        line, place = raw.strip(), Place(file, number)
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and (section := SECTION.match(line)):
            group, state = section[1], section[2] or "hosts"
            if state not in ("hosts", "children", "vars"):
                scan.faults.append(Fault(place, f"[{group}:{state}] must end in :children or :vars"))
            elif state == "vars":
                wanted.setdefault(group, (place, f"[{group}:vars] is for a group that is not declared"))
            else:
                declared.add(group)
                scan.group(group, place)
        elif line.startswith("[") and line.endswith("]"):
            scan.faults.append(Fault(place, f"{line} is not a valid section header"))
        elif line.startswith("[") and "]" not in line:
            scan.faults.append(Fault(place, f"the section header {line} is not closed with ]"))
        elif state == "hosts":
            _host_line(line, place, scan)
        elif state == "vars":
            _variable_line(group, line, place, scan)
        elif state == "children":
            child = line.split("#")[0].split()[0]
            wanted[child] = (place, f"group {child} is not declared")
    scan.faults.extend(Fault(place, message) for name, (place, message) in wanted.items() if name not in declared)


def _variable_line(group: str, line: str, place: Place, scan: Scan) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        scan.faults.append(Fault(place, "expected NAME=VALUE"))
        return
    scan.variable(Owner("inventory", "group", group), name.strip(), place, value.strip())


def _host_line(line: str, place: Place, scan: Scan) -> None:
    try:
        pattern, *settings = _tokens(line)
    except ValueError:
        scan.faults.append(Fault(place, "a quotation mark is not closed"))
        return
    pairs = [setting.partition("=") for setting in settings]
    if not all(equals for _, equals, _ in pairs):
        # Not shown: it can be the second word of a password.
        scan.faults.append(Fault(place, "expected NAME=VALUE; a value with spaces needs quotes"))
        return
    if pattern.endswith(":"):
        scan.faults.append(Fault(place, f"{pattern!r} is not a host (is this YAML in a file that is not called .yml?)"))
        return
    port = PORT.match(pattern)
    for host in expand(port["host"] if port else pattern):
        scan.host(host, place)
        owner = Owner("inventory", "host", host)
        if port:
            scan.variable(owner, "ansible_port", place)
        for name, _, value in pairs:
            scan.variable(owner, name, place, value)


def _tokens(line: str) -> list[str]:
    if not any(mark in line for mark in "'\"\\#"):
        return line.split()
    return shlex.split(line, comments=True)


def expand(pattern: str) -> Iterator[str]:
    """Host names of a pattern: `w[01:03]` is w01, w02, w03; `[a:c]x` is ax, bx, cx; a third number is the step."""
    found = RANGE.search(pattern)
    if not found:
        yield pattern
        return
    first, last, step = found[1], found[2], int(found[3] or 1) or 1
    for item in _range(first, last, step):
        yield from expand(pattern[: found.start()] + item + pattern[found.end() :])


def _range(first: str, last: str, step: int) -> Iterator[str]:
    if first.isdigit() and last.isdigit():
        width = len(first) if first.startswith("0") else 0
        yield from (str(number).zfill(width) for number in range(int(first), int(last) + 1, step))
    elif first in string.ascii_letters and last in string.ascii_letters:
        letters = string.ascii_letters
        yield from letters[letters.index(first) : letters.index(last) + 1 : step]
