"""Kernel settings: the live values, and those that the files give them at the next boot."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import read, sysctl


def look(settings: list[str]) -> dict[str, Any]:
    """live, boot: setting to value; those that this kernel does not have, or no file sets, are left out."""
    files = sysctl.at_boot()
    live, boot = {}, {}
    for setting in settings:
        value = read.text_or(sysctl.path(setting)).strip()
        if value:
            live[setting] = " ".join(value.split())
        if sysctl.path(setting) in files:
            boot[setting] = files[sysctl.path(setting)][1]
    return {"live": live, "boot": boot}
