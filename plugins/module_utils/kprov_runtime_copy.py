"""A directory copied by a unit of its own: it goes on when Ansible, or the controller, is gone, and can be watched.

cp of coreutils does it: it is on every machine (rsync is on no minimal Debian or Enterprise Linux, and an air-gapped
node cannot get it) and keeps hard links, extended attributes, owners, holes and devices. What cp cannot do by itself is
to go on after it was killed: so kprov_tree.reconcile removes what is not whole, and `cp --update` makes the rest.
"""

from __future__ import annotations

import os
import time

from ansible.module_utils import kprov_systemd
from ansible.module_utils.kprov_systemd import UnitError
from ansible.module_utils.kprov_tree import reconcile

UNIT = "kprov-runtime-root-copy.service"
WATCH = 10.0  # seconds that one look lasts, if the copy does not end before
POLL = 0.25
# A copy that is slower than this has stopped: deadline of the unit.
SLOWEST = 4 * 1024 * 1024  # bytes a second
GRACE = 600  # seconds, whatever the size
NOT_THERE = ("inactive", "")
# ENOSPC and EDQUOT, as the C library puts them in the C locale.
FULL = ("No space left on device", "Disk quota exceeded")


class CopyError(Exception):
    """The copy failed; the message is for the user."""


def go_on(source: str, target: str, size: int) -> tuple[bool, str]:
    """Start the copy, or watch it for a while; (whether it has ended well, how far it is, in words). Raises CopyError.

    size: bytes that the source takes.
    """
    state = _state()
    if state["ActiveState"] in NOT_THERE:
        removed = reconcile(source, target)
        _start(source, target, size)
        state = _state()
        if removed:
            return False, f"goes on; {removed} files that were not whole are copied again"
    end = time.monotonic() + WATCH
    while state["SubState"] not in ("exited", "failed", "dead") and time.monotonic() < end:
        time.sleep(POLL)
        state = _state()
    if state["SubState"] == "exited":
        kprov_systemd.run(["sync", "--file-system", target], GRACE)
        stop()
        return True, "copied"
    if state["ActiveState"] in ("failed", *NOT_THERE):
        lines = kprov_systemd.journal(UNIT)
        stop()
        raise CopyError(failure(source, target, lines))
    return False, f"{_written(int(state.get('MainPID') or 0)) / 2**30:.1f} of about {size / 2**30:.1f} GiB"


def failure(source: str, target: str, log: str) -> str:
    """Why the copy ended before its end, for people, with what is left to do. log: what cp said."""
    if not any(text in log for text in FULL):
        return f"cp did not copy {source} to {target}: {log}"
    status = os.statvfs(target)
    free, all_of_it = (status.f_frsize * blocks / 2**30 for blocks in (status.f_bavail, status.f_blocks))
    said = next(line for line in log.splitlines() if any(text in line for text in FULL))
    return (
        f"no space was left while {source} was copied to {target}: its file system has {free:.1f} of {all_of_it:.1f}"
        f" GiB and {status.f_favail} of {status.f_files} inodes free ({said.strip()}). There was enough when the move"
        f" began, so something else writes there. Nothing runs on {target}, {source} is as it was. Make room, then"
        " `kprov runtime-root migrate` goes on; or `kprov runtime-root abort` starts the node on the old directory"
    )


def stop() -> None:
    """End the copy, if it runs, and forget it."""
    kprov_systemd.run(["systemctl", "stop", UNIT], 60)
    kprov_systemd.run(["systemctl", "reset-failed", UNIT], 20)


def _start(source: str, target: str, size: int) -> None:
    properties = (
        "RemainAfterExit=yes",  # to see how it ended
        f"RuntimeMaxSec={GRACE + size // SLOWEST}",
        "IOSchedulingClass=best-effort",
        "OOMScoreAdjust=0",
    )
    command = ["cp", "--archive", "--one-file-system", "--update", "--sparse=auto", "--", f"{source}/.", f"{target}/"]
    done = kprov_systemd.run(
        [
            "systemd-run",
            f"--unit={UNIT}",
            "--setenv=LC_ALL=C",
            *(f"--property={value}" for value in properties),
            "--",
            *command,
        ],
        30,
    )
    if done.returncode != 0:
        raise CopyError(f"systemd-run: {done.stdout.strip()}")


def _state() -> dict[str, str]:
    names = "ActiveState,SubState,Result,MainPID"
    try:
        shown = kprov_systemd.systemctl("show", f"--property={names}", "--", UNIT)
    except UnitError as error:
        raise CopyError(str(error)) from error
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def _written(pid: int) -> int:
    """Bytes that the process has written so far; 0 if that is not known."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return int(dict(line.split(": ") for line in file.read().splitlines())["wchar"])
    except (OSError, KeyError, ValueError):
        return 0
