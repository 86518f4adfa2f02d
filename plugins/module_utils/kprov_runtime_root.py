"""Moving the container runtime's root directory step by step; /var/lib/kprov/runtime_root.json says how far it is.

    begun -> stopped -> copied -> verified -> switching -> switched -> finished -> (removing ->) no record
    any of them -> aborting -> no record

The old directory stays as it is until `remove_old`. Every step can be killed: the next run reads the record, and
`settle` takes it back to `begun` if the runtime has run on the old directory in between, as after a reboot.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from ansible.module_utils import kprov_fs, kprov_runtime_copy, kprov_systemd
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_runtime_stop import (
    KUBELET,
    UNIT_DEADLINE,
    Runtime,
    shims,
    stopped_mark,
    unmount_below,
)
from ansible.module_utils.kprov_state import machine_id, make_state_directory
from ansible.module_utils.kprov_tree import OF_THE_FILE_SYSTEM, compare, size

FILE = STATE + "/runtime_root.json"
SCHEMA = 1
BEFORE_SWITCH = ("begun", "stopped", "copied", "verified")
# Content that is read again, of all that was copied: a few seconds per GiB, on top of comparing everything else.
SAMPLE = 2 * 1024**3
STARTING = 90  # seconds that a runtime gets to answer


class MoveError(Exception):
    """The move cannot go on; the message is for the user."""


class Move:
    """The record of a move and what each step does. Call all of it under node_lock. Methods raise MoveError."""

    def __init__(self, runtime: Runtime, record: dict) -> None:
        self.runtime = runtime
        self.record = record

    @classmethod
    def read(cls, runtime: Runtime) -> Move | None:
        """The move that this machine's record is about; None if there is none."""
        record = kprov_fs.read_json(real(FILE))
        if record is None and os.path.exists(real(FILE)):
            raise MoveError(f"{FILE} is damaged: read it, compare it with the machine, then remove it")
        if record is None or record.get("machine_id") != machine_id():
            return None
        return cls(runtime, record)

    @property
    def old(self) -> str:
        """The directory that the data comes from."""
        return self.record["from"]

    @property
    def new(self) -> str:
        """The directory that it goes to."""
        return self.record["to"]

    @property
    def step(self) -> str:
        """What was done last."""
        return self.record["step"]

    def save(self, step: str, **values: object) -> None:
        """Record a step that is done, durably."""
        self.record.update(values, step=step)
        make_state_directory(STATE)
        kprov_fs.write_json(real(FILE), self.record)

    def forget(self) -> None:
        """The move is over, and nothing is left to say about it."""
        kprov_fs.remove(real(FILE))
        kprov_fs.sync_directory(real(STATE))

    @classmethod
    def begin(cls, runtime: Runtime, to: str) -> tuple[Move, str]:
        """Begin a move, or go on with the one that was begun; and what that is, in words."""
        to = os.path.normpath(to)
        move = cls.read(runtime)
        if move is not None and move.step != "finished":
            if move.step in ("aborting", "removing"):
                verb = {"aborting": "abort", "removing": "confirm"}[move.step]
                raise MoveError(f"`kprov runtime-root {verb}` was begun here and has not ended: run it again")
            if move.new != to:
                raise MoveError(
                    f"a move to {move.new} was begun and has not ended: set container_runtime_root to that and go on,"
                    " or `kprov runtime-root abort`"
                )
            return move, move.settle()
        if move is not None:
            raise MoveError(
                f"{move.old} from the last move is still there: `kprov runtime-root confirm` removes it; then move"
            )
        old = runtime.configured_root()
        refuse_overlap(old, to)
        foreign = [name for name in _names(to) if name != OF_THE_FILE_SYSTEM]
        if foreign:
            raise MoveError(f"{to} is not empty ({', '.join(foreign[:3])}): kprov moves into an empty directory only")
        record = {
            "schema": SCHEMA,
            "machine_id": machine_id(),
            "runtime": runtime.name,
            "from": old,
            "to": to,
            "made": kprov_fs.missing_directories(to),
            "started": _now(),
        }
        move = cls(runtime, record)
        move.save("begun")
        kprov_fs.make_directories(to, 0o711)
        try:
            try_overlay(to)
        except MoveError:
            move.clear_new()
            move.forget()
            raise
        return move, f"{old} -> {to}"

    def settle(self) -> str:
        """Take the record back if the runtime has run on the old directory since; in words, where it goes on."""
        if self.step in (*BEFORE_SWITCH[1:], "switching"):
            still = stopped_mark(self.runtime) == self.record.get("stopped", "never")
            on_new = self.step == "switching" and self.runtime.configured_root() == self.new
            if not still and not on_new:
                kprov_runtime_copy.stop()  # it copies what changes now
                self.save("begun")
                return f"goes on; {self.runtime.name} has run since, so what changed in {self.old} is copied again"
        return f"goes on after: {self.step}"

    def stop(self) -> None:
        """Stop the kubelet, every container and the runtime; remember what has to be there afterwards."""
        kprov_systemd.systemctl("stop", "--", KUBELET, timeout=UNIT_DEADLINE)
        if not self.runtime.active and (shims() or "images" not in self.record):
            # A run was killed in here, perhaps before the containers had ended: only the runtime can stop them.
            kprov_systemd.systemctl("start", "--", *reversed(self.runtime.units), timeout=UNIT_DEADLINE)
            self._wait_for_answer()
        if self.runtime.active:
            self.save(self.step, images=self.record.get("images") or self.runtime.images())
            own = self.runtime.stop_containers()
            # Those that an earlier, killed run has stopped do not run any more.
            self.save(self.step, own_containers=sorted({*self.record.get("own_containers", ()), *own}))
        self.runtime.stop()
        for directory in {self.old, self.new}:
            unmount_below(directory)

    def stopped(self) -> None:
        """Record that everything is stopped, with how much there is to copy."""
        mark = stopped_mark(self.runtime)
        if mark is None:
            raise MoveError(f"somebody has started {KUBELET} or {self.runtime.units[-1]} again: run the command again")
        used, entries = size(self.old)
        self.save("stopped", stopped=mark, bytes=used, entries=entries)

    def copy(self) -> tuple[bool, str]:
        """Copy for a while; (whether it has ended, how far it is)."""
        done, said = kprov_runtime_copy.go_on(self.old, self.new, self.record["bytes"])
        if done:
            self.save("copied")
        return done, said

    def verify(self) -> str:
        """Compare the two directories; what was compared."""
        found = compare(self.old, self.new, SAMPLE)
        if found.different:
            self.save("stopped")
            raise MoveError(
                f"{self.new} is not as {self.old}: {found.summary()}. Nothing runs on it; `kprov runtime-root migrate`"
                " copies these again, `kprov runtime-root abort` starts the node on the old directory"
            )
        self.save("verified", verified=found.summary())
        return found.summary()

    def prove(self, root: str) -> str:
        """The running runtime has this root and every image that it had before; in words. Starts Docker's own."""
        self._wait_for_answer()
        live = self.runtime.live_root()
        if live != root:
            raise MoveError(f"{self.runtime.name} runs on {live}, not on {root}")
        before, now = self.record.get("images", {}), self.runtime.images()
        lost = [name for name, image in before.items() if now.get(name) != image]
        if lost:
            raise MoveError(f"{self.runtime.name} runs on {root} without {len(lost)} images: {', '.join(lost[:3])}")
        self.runtime.start_own(self.record.get("own_containers", []))
        return f"{self.runtime.name} runs on {root}" + (f" with the same {len(before)} images" if before else "")

    def remove_old(self) -> str:
        """Remove the directory that the data came from; in words. The record goes, too."""
        if self.step not in ("finished", "removing"):
            raise MoveError(f"the move has not ended (it is after: {self.step}): `kprov runtime-root migrate` goes on")
        live = self.runtime.live_root()
        if live != self.new:
            raise MoveError(f"{self.runtime.name} runs on {live}, not on {self.new}: nothing was removed")
        refuse_overlap(self.old, self.new)
        unmount_below(self.old)
        self.save("removing")
        empty(self.old, remove=True)
        self.forget()
        return f"removed {self.old}"

    def clear_new(self) -> None:
        """Remove the copy, and the directories that kprov made for it."""
        refuse_overlap(self.old, self.new)
        unmount_below(self.new)
        empty(self.new, remove=False)
        for directory in reversed(self.record["made"]):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:  # somebody put something there since
                break

    def _wait_for_answer(self) -> None:
        end = time.monotonic() + STARTING
        while True:
            try:
                self.runtime.images()
                return
            except Exception as error:
                if time.monotonic() >= end:
                    raise MoveError(f"{self.runtime.name} did not answer within {STARTING} s: {error}") from error
            time.sleep(0.5)


def refuse_overlap(one: str, other: str) -> None:
    """MoveError if two paths are the same directory or one holds the other, symbolic links followed."""
    first, second = (os.path.realpath(path) for path in (one, other))
    if os.path.commonpath([first, second]) in (first, second):
        raise MoveError(f"{one} ({first}) and {other} ({second}) are the same directory, or one contains the other")


def empty(directory: str, remove: bool) -> None:
    """Remove what is in a directory, other file systems excepted; the directory, too, if that is asked and possible."""
    paths = [os.path.join(directory, name) for name in _names(directory) if name != OF_THE_FILE_SYSTEM]
    for path in paths:
        gone = subprocess.run(
            ["rm", "--recursive", "--force", "--one-file-system", "--", path],
            capture_output=True,
            text=True,
            check=False,
        )
        if gone.returncode != 0:
            raise MoveError(f"cannot remove {path}: {gone.stderr.strip()[-500:]}; run the command again")
    if remove and os.path.isdir(directory) and not os.path.ismount(directory) and not _names(directory):
        os.rmdir(directory)


def try_overlay(directory: str) -> None:
    """Mount an overlay on directories in here and make a whiteout: what a runtime will do. MoveError if that fails."""
    with tempfile.TemporaryDirectory(prefix=".kprov-overlay-", dir=directory) as place:
        parts = {name: os.path.join(place, name) for name in ("lower", "upper", "work", "merged")}
        for path in parts.values():
            os.mkdir(path)
        with open(os.path.join(parts["lower"], "file"), "w", encoding="ascii") as file:
            file.write("x")
        options = "lowerdir={lower},upperdir={upper},workdir={work}".format(**parts)
        command = ["mount", "-t", "overlay", "overlay", "-o", options, parts["merged"]]
        mounted = kprov_systemd.run(command, 30)
        if mounted.returncode != 0:
            raise MoveError(
                f"the file system of {directory} carries no overlay mounts, which images need (ext4 does, and xfs made"
                f" with ftype=1): {mounted.stdout.strip()}"
            )
        try:
            os.unlink(os.path.join(parts["merged"], "file"))
        except OSError as error:
            raise MoveError(f"the file system of {directory} cannot hold overlay's whiteouts: {error}") from error
        finally:
            kprov_systemd.run(["umount", "--", parts["merged"]], 30)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
