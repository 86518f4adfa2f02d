"""Swap: off now, and after every boot, whoever switches it on there (fstab, zram-generator, a GPT partition)."""

from __future__ import annotations

import os
import stat
from typing import Callable

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord, keep_original

FSTAB = "/etc/fstab"
MARK = "# kprov: swap is off. "
# Units of swap areas hang on this target, those that generators make included; masked, none is started at boot.
TARGET = "/etc/systemd/system/swap.target"
NOWHERE = "/dev/null"


class SwapError(Exception):
    """Swap cannot be switched off; the message is for the user."""


def areas() -> list[str]:
    """Swap areas in use."""
    try:
        with open(real("/proc/swaps"), encoding="utf-8") as file:
            return [line.split()[0] for line in file.read().splitlines()[1:]]
    except OSError:
        return []


def switch_off(record: PhaseRecord, run: Callable[[list[str]], tuple[int, str]], check_mode: bool) -> list[str]:
    """Bring swap to an end; what was (would be) changed. run(argv) -> (exit code, output). Raises SwapError."""
    record.add("swap", {"wanted": "off"})
    changes = []
    used = areas()
    if used:
        changes.append("swap off: " + ", ".join(used))
        if not check_mode:
            code, output = run(["swapoff", "--all"])
            if code != 0 or areas():
                raise SwapError(f"swap cannot be switched off: {output.strip() or ', '.join(areas()) + ' stays'}")
    before = _fstab()
    after = without_swap(before)
    if after != before:
        changes.append(FSTAB)
        if not check_mode:
            keep_original(FSTAB)
            mode = stat.S_IMODE(os.stat(real(FSTAB)).st_mode)
            kprov_fs.atomic_write(real(FSTAB), after.encode(errors="surrogateescape"), mode)
    mine = TARGET in record.earlier("links")
    if (changes or mine) and not os.path.lexists(real(TARGET)):
        changes.append("mask swap.target")
        if not check_mode:
            record.add("links", {TARGET: NOWHERE})
            kprov_fs.make_directories(os.path.dirname(real(TARGET)))
            os.symlink(NOWHERE, real(TARGET))
    return changes


def leave_alone(record: PhaseRecord, check_mode: bool) -> list[str]:
    """Swap is the user's again: the mask goes, if it is kprov's. Lines in fstab stay comments; they bear a mark."""
    if TARGET not in record.earlier("links") or not os.path.islink(real(TARGET)):
        return []
    if not check_mode:
        kprov_fs.remove(real(TARGET))
        record.replace(links={})
    return ["unmask swap.target"]


def without_swap(text: str) -> str:
    """fstab with its lines of type swap as comments."""
    lines = []
    for line in text.splitlines(keepends=True):
        fields = line.split()
        is_swap = len(fields) > 2 and not line.lstrip().startswith("#") and fields[2] == "swap"
        lines.append(MARK + line if is_swap else line)
    return "".join(lines)


def _fstab() -> str:
    try:
        with open(real(FSTAB), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
