"""systemd units on a node: in the wanted state, restarted only for a reason that survives a killed run.

A unit's last good start is recorded in /var/lib/kprov/units/<unit>.json. For kprov_units, kprov_files and
kprov_docker_daemon.
"""

from __future__ import annotations

import os
import subprocess
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import UNITS, real
from ansible.module_utils.kprov_state import PhaseRecord, digest, make_state_directory, owned_files

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "InvocationID",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
)
# Elements of the argument `units` of kprov_units and kprov_files; kprov_units documents them.
UNIT = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "enabled": {"type": "bool", "default": True},
    "start_if": {"type": "path"},
    "restart_on": {"type": "list", "elements": "path", "default": []},
    "ready": {"type": "list", "elements": "str", "default": []},
    "deadline": {"type": "int"},
}
DEADLINE = 60  # seconds for a unit to become active and ready, unless it has its own
VERBS = ("enable", "disable", "stop", "start", "restart")
JOURNAL_LINES = 30
VERIFY_SECONDS = 30
POLL = 0.1
UNIT_FILES = "/etc/systemd/system"
BOOT_STATES = ("enabled", "static", "indirect", "generated", "alias")


class UnitError(Exception):
    """A unit is not as wanted; the message is for the user."""


def systemctl(*arguments: str, timeout: float = 120) -> str:
    """Output of systemctl; UnitError if it fails."""
    try:
        done = run(["systemctl", *arguments], timeout)
    except subprocess.TimeoutExpired:
        raise UnitError(f"systemctl {' '.join(arguments)} did not end within {timeout:g} s") from None
    if done.returncode != 0:
        raise UnitError(f"systemctl {' '.join(arguments)}: {done.stdout.strip()}")
    return done.stdout


def run(argv: list[str], timeout: float) -> subprocess.CompletedProcess:
    """Run a command; output of both streams as text."""
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
    )


def show(names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of all units, by one call. systemctl answers in the order of the names."""
    blocks = systemctl("show", "--property=" + ",".join(PROPERTIES), "--", *names).strip().split("\n\n")
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return dict(zip(names, found))  # noqa: B905 - not in Python 3.9


def refuse_faulty(unit: dict) -> None:
    """UnitError if systemd finds fault with the unit's files that are kprov's.

    systemd leaves out a line that it does not understand and starts the unit without it; what runs is better than that.
    Faults of other files (the distribution's, somebody's own drop-ins) are not a reason to stop here.
    """
    try:
        said = run(["systemd-analyze", "verify", "--man=no", unit["name"]], VERIFY_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return  # not installed, or too slow: systemd itself will say
    starts = (*(f"{path}:" for path in unit["restart_on"]), f"{unit['name']}: Command ")
    faults = [line for line in said.splitlines() if line.startswith(starts)]
    if faults:
        raise UnitError(f"{unit['name']} was left as it runs, because its files have faults: {'; '.join(faults)}")


def journal(name: str) -> str:
    """The unit's last lines of log."""
    try:
        done = run(["journalctl", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}", "--unit", name], 20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"(no journal: {error})"
    return done.stdout.strip() or "(the journal has no line of this unit)"


def started_at(properties: dict[str, str]) -> float:
    """When the unit's main process started (a unit without one: when it became active), in seconds since the epoch."""
    for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"):
        microseconds = int(properties.get(name) or 0)
        if microseconds:
            return time.time() - time.monotonic() + microseconds / 1e6
    return 0


def inputs(paths: list[str], owned: dict[str, dict]) -> str:
    """One digest over the files that a unit runs on; a missing file counts as such."""
    lines = [f"{path} {digest(path, owned)}\n" for path in sorted(paths)]
    return kprov_fs.sha256_bytes("".join(lines).encode())


def restart_due(unit: dict, properties: dict[str, str], current: str) -> bool:
    """Whether the running unit has to be started again to run on its files as they are now.

    The record is about one start. What runs after another one (a start that was not good, a reboot) may have read other
    files than those of the record, even if they are the same again now: then the times decide.
    """
    if not unit["restart_on"]:
        return False
    recorded = kprov_fs.read_json(record_path(unit["name"]))
    if recorded is not None and recorded.get("digest") != current:
        return True
    if recorded is not None and recorded.get("invocation_id") == properties.get("InvocationID"):
        return False
    written = [os.stat(real(path)).st_ctime for path in unit["restart_on"] if os.path.exists(real(path))]
    return bool(written) and started_at(properties) < max(written)


def record_path(name: str) -> str:
    """Where the last good start of a unit is recorded."""
    return real(f"{UNITS}/{name}.json")


def wait_until_good(unit: dict, deadline: float) -> dict[str, str]:
    """Wait until the unit is active and its `ready` command succeeds; the unit's properties then."""
    name, end, answer = unit["name"], time.monotonic() + deadline, ""
    while True:
        state = show([name])[name]
        if state["ActiveState"] in ("failed", "inactive"):
            raise UnitError(f"{name} did not stay up: {state['ActiveState']} ({state['SubState']})")
        left = end - time.monotonic()
        if state["ActiveState"] in ("active", "reloading"):
            if not unit["ready"]:
                return state
            try:
                done = run(unit["ready"], max(left, 1))
            except subprocess.TimeoutExpired:
                answer = "no answer in time"
            except OSError as error:
                raise UnitError(f"{name}: cannot run {unit['ready'][0]}: {error.strerror}") from error
            else:
                if done.returncode == 0:
                    return state
                answer = done.stdout.strip()
        if time.monotonic() >= end:
            raise UnitError(_late(unit, state, deadline, answer))
        time.sleep(POLL)


def _late(unit: dict, state: dict[str, str], deadline: float, answer: str) -> str:
    if state["ActiveState"] == "active":
        return f"{unit['name']} runs, but `{' '.join(unit['ready'])}` did not succeed within {deadline:g} s: {answer}"
    return f"{unit['name']} was not active within {deadline:g} s: {state['ActiveState']} ({state['SubState']})"


class Plan:
    """What has to happen to one unit."""

    def __init__(self, unit: dict, properties: dict[str, str], owned: dict[str, dict]) -> None:
        self.unit = unit
        self.name = unit["name"]
        self.digest = inputs(unit["restart_on"], owned)
        self.wanted = unit["state"] == "started" and _applies(unit)
        active = properties["ActiveState"] in ("active", "activating", "reloading")
        at_boot = properties["UnitFileState"] in BOOT_STATES
        self.enable = unit["enabled"] and not at_boot
        self.disable = not unit["enabled"] and properties["UnitFileState"] in ("enabled", "enabled-runtime")
        self.stop = unit["state"] == "stopped" and active
        self.start = self.wanted and not active
        self.failed = properties["ActiveState"] == "failed"
        self.restart = self.wanted and active and restart_due(unit, properties, self.digest)

    @property
    def changes(self) -> list[str]:
        """What would be done, as words."""
        return [f"{verb} {self.name}" for verb in VERBS if getattr(self, verb)]

    def apply(self, deadline: float) -> None:
        """Do it, wait until it is good, record that."""
        if self.start or self.restart:
            refuse_faulty(self.unit)
        if self.start and self.failed:
            systemctl("reset-failed", "--", self.name)  # else a unit that failed too often refuses to start
        for verb in VERBS:
            if getattr(self, verb):
                systemctl(verb, "--", self.name, timeout=deadline)
        if not self.wanted:
            return
        state = wait_until_good(self.unit, deadline)
        make_state_directory(UNITS)
        good = {"digest": self.digest, "invocation_id": state["InvocationID"]}
        if kprov_fs.read_json(record_path(self.name)) != good:
            kprov_fs.write_json(record_path(self.name), good)


def _applies(unit: dict) -> bool:
    return not unit["start_if"] or os.path.exists(real(unit["start_if"]))


def apply(phase: str, units: list[dict], deadline: float, check_mode: bool = False, part: str = "kprov_units") -> dict:
    """Bring the units to the wanted state; {"changed", "changes"}. Call it under node_lock.

    units: [{"name", "state", "enabled", "start_if", "restart_on", "ready"}], as kprov_units documents them; deadline:
    seconds for each; part: the module that asks. Raises UnitError.
    """
    record = PhaseRecord.open(phase, check_mode, part=part)
    record.add_units({unit["name"]: {"start_if": unit["start_if"]} for unit in units if unit["state"] == "started"})
    # What a unit runs on may be another unit: the service of a timer. systemd must have read that one, too.
    started = [unit for unit in units if unit["state"] == "started"]
    files = [path for unit in started for path in unit["restart_on"] if os.path.dirname(path) == UNIT_FILES]
    names = list(dict.fromkeys([*(unit["name"] for unit in units), *map(os.path.basename, files)]))
    properties = show(names)
    reload = [
        name
        for name in names
        if properties[name]["NeedDaemonReload"] == "yes" or properties[name]["LoadState"] == "bad-setting"
    ]
    unknown = [name for name in names if properties[name]["LoadState"] == "not-found"]
    changes = []
    if reload or unknown:
        if not check_mode:
            systemctl("daemon-reload")
            properties = show(names)
            unknown = [name for name in names if properties[name]["LoadState"] == "not-found"]
        changes += [f"reload {name}" for name in reload]
    wanted = {unit["name"] for unit in units if unit["state"] == "started"}
    if wanted.intersection(unknown) and not check_mode:
        raise UnitError(f"systemd does not know {', '.join(sorted(wanted.intersection(unknown)))}")
    owned = owned_files()
    for unit in units:
        plan = Plan(unit, properties[unit["name"]], owned)
        changes += plan.changes
        if check_mode:
            continue
        try:
            plan.apply(unit.get("deadline") or deadline)
        except UnitError as error:
            lines = journal(unit["name"])
            raise UnitError(f"{error}\nlast lines of its journal:\n{lines}") from error
    return {"changed": bool(changes), "changes": changes}
