"""Kernel settings: are they as recorded, and will they be after the next boot?

The record says {"value", "rule"}; the rules are those of plugins/module_utils/kprov_sysctl.py, which runs elsewhere.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.remote.node import read

# sysctl.d(5): sorted by name over all of them; a name in an earlier directory hides the same name in a later one.
DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# Read last by `sysctl --system`, and at boot through /etc/sysctl.d/99-sysctl.conf (Debian 12, Ubuntu, EL).
LAST = "/etc/sysctl.conf"


def drift(setting: str, recorded: Any) -> str | None:
    """The live value against the recorded one (an older record: just the value; None: there was none)."""
    entry = recorded if isinstance(recorded, dict) else {"value": recorded, "rule": "exact"}
    if entry.get("value") is None:
        return None
    try:
        live = " ".join(read.text(path(setting)).split())
    except OSError:
        return "missing"
    if satisfied(entry, live):
        return None
    words = {"at_least": "at least ", "includes": "including "}
    wanted = " ".join(str(entry["value"]).split())
    return f"is {live}, not {words.get(str(entry.get('rule')), '')}{wanted}"


def satisfied(entry: dict[str, Any], value: str) -> bool:
    """Whether a value is good enough for {"value", "rule"}."""
    wanted = str(entry["value"])
    try:
        if entry.get("rule") == "at_least":
            return int(value) >= int(wanted)
        if entry.get("rule") == "includes":
            return _ports(wanted) <= _ports(value)
    except ValueError:
        return False
    return value.split() == wanted.split()


def overrides(recorded: dict[str, Any], own: str) -> list[dict[str, str]]:
    """Settings that a file read after `own` gives another value: key, file, value, wanted."""
    last = at_boot(own)
    found = []
    for setting, entry in sorted(recorded.items()):
        file, value = last.get(path(setting), ("", ""))
        if file and isinstance(entry, dict) and not satisfied(entry, value):
            found.append({"key": setting, "file": file, "value": value, "wanted": str(entry["value"])})
    return found


def at_boot(after: str = "") -> dict[str, tuple[str, str]]:
    """Path below /proc/sys to (file, value): what the files that are read after this one say, the last word on each."""
    last: dict[str, tuple[str, str]] = {}
    for file in _later(after):
        for line in read.text_or(file).splitlines():
            key, equals, value = line.strip().lstrip("-").partition("=")
            if equals and not key.startswith(("#", ";")):
                last[path(key.strip())] = (file, " ".join(value.split()))
    return last


def _later(own: str) -> list[str]:
    names: dict[str, str] = {}
    for directory in DIRECTORIES:
        for name in read.names(directory):
            if name.endswith(".conf"):
                names.setdefault(name, f"{directory}/{name}")
    after = [path for name, path in sorted(names.items()) if name > own.rpartition("/")[2]]
    targets = [os.path.realpath(read.real(path))[len(read.ROOT) :] for path in after]
    return [path for path in targets if path != LAST] + [LAST]


def path(setting: str) -> str:
    """Like sysctl(8): the first separator rules, so net/ipv4/conf/eth0.1/rp_filter works."""
    separators = re.search("[./]", setting)
    slashes = separators is not None and separators.group() == "/"
    return "/proc/sys/" + (setting if slashes else setting.translate(str.maketrans("./", "/.")))


def _ports(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
