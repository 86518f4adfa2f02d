"""Files that set kernel settings at boot: kprov's own one, and those that are read after it."""

from __future__ import annotations

import os

from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_sysctl import Setting, parts

# sysctl.d(5): sorted by name over all of them; a name in an earlier directory hides the same name in a later one.
DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# Read last by `sysctl --system`, and at boot through /etc/sysctl.d/99-sysctl.conf (Debian 12, Ubuntu, EL).
LAST = "/etc/sysctl.conf"


def text(settings: list[Setting], values: dict[str, str]) -> str:
    """kprov's file: each setting with its reason. A "-" in front: a boot goes on without it (sysctl.d(5))."""
    lines = ["# Written by kprov (roles/os); change a value with os_sysctl in the inventory."]
    for setting in settings:
        lines.append(f"\n# {setting.why}" if setting.why else "")
        lines.append(f"{'' if setting.essential else '-'}{setting.key} = {values[setting.key]}")
    return "\n".join(lines) + "\n"


def overrides(settings: list[Setting], own: str) -> list[dict[str, str]]:
    """Settings that a file read after `own` gives another value: {"key", "file", "value", "wanted"}."""
    last: dict[tuple[str, ...], tuple[str, str]] = {}
    for file in later(own):
        for key, value in assignments(file):
            last[tuple(parts(key))] = (file, value)
    found = []
    for setting in settings:
        file, value = last.get(tuple(parts(setting.key)), ("", ""))
        if file and not setting.satisfied_by(value):
            found.append({"key": setting.key, "file": file, "value": value, "wanted": setting.value})
    return found


def later(own: str) -> list[str]:
    """Files that are read after kprov's own, in that order. A link is named by what it points to."""
    names: dict[str, str] = {}
    for directory in DIRECTORIES:
        try:
            found = os.listdir(real(directory))
        except OSError:
            continue
        for name in found:
            if name.endswith(".conf"):
                names.setdefault(name, f"{directory}/{name}")
    files = [path for name, path in sorted(names.items()) if name > os.path.basename(own)]
    targets = [os.path.realpath(real(path))[len(real("")) :] for path in files]
    return [path for path in targets if path != LAST] + [LAST]


def assignments(file: str) -> list[tuple[str, str]]:
    """Key and value of each line that sets one; patterns (net.ipv4.conf.*.x) are left out."""
    try:
        with open(real(file), encoding="utf-8", errors="replace") as lines:
            rows = [line.strip() for line in lines]
    except OSError:
        return []
    pairs = [row.lstrip("-").partition("=") for row in rows if row and row[0] not in "#;"]
    return [(key.strip(), " ".join(value.split())) for key, equals, value in pairs if equals and "*" not in key]
