"""`kprov logs`: what a service of a node has written to the journal. Asks nothing but SSH, so the API may be dead."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, refuse_strangers
from kprov.errors import CheckError, Problem
from kprov.spec.cluster import Host
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.remote.shell import Shell

RUNTIME = "runtime"  # a word for the units of the container runtime that the host has
UNITS = {"containerd": ("containerd.service",), "docker": ("docker.service", "cri-docker.service")}
LINES = 200  # the last ones, where nobody says since when
POLL_SECONDS = 1.0  # between two looks while following
FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT"


@dataclass(frozen=True)
class Line:
    """A line of the journal. time: RFC 3339, UTC; priority: of syslog, 0 (worst) to 7; cursor: where it is."""

    time: str
    unit: str
    priority: int
    message: str
    cursor: str

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {"time": self.time, "unit": self.unit, "priority": self.priority, "message": self.message}


@dataclass(frozen=True)
class Asked:
    """host: as in the inventory; unit: of systemd, or RUNTIME; since: in journalctl's words; lines: at most so many."""

    host: str
    unit: str
    since: str | None = None
    lines: int | None = None


def logs(options: Options, asked: Asked, follow: Callable[[Line], None] | None = None) -> Result:
    """The lines of a unit, oldest first. follow: gets each line as it comes, until Ctrl-C.

    Raises InputError for the inventory and an unknown host, ConnectError when the host does not answer, CheckError with
    journalctl's own words when it refuses the question.
    """
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    loaded = load(options.inventory)
    refuse_strangers(loaded.spec, [asked.host], "HOST")
    host = next(host for host in loaded.spec.hosts if host.name == asked.host)
    units = UNITS[str(host.variables["container_runtime"])] if asked.unit == RUNTIME else (asked.unit,)
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as shell:
        found = _read(shell, host, units, asked)
        if follow is not None:
            _follow(shell, host, units, found, asked, follow)
    data = {"host": host.name, "units": list(units), "lines": [line.data() for line in found]}
    problems = [*loaded.warnings, *([] if found else [_nothing(asked, units)])]
    return Result("logs", data, lambda console: _render(console, found), problems)


def command(units: tuple[str, ...], since: str | None, lines: int | None, after: str | None = None) -> str:
    """The line for the host's shell. since and lines: None leaves them out; after: the cursor of the last line seen."""
    words = ["journalctl", "--no-pager", "--quiet", "--output=json", f"--output-fields={FIELDS}"]
    words += [f"--unit={unit}" for unit in units]
    words += [f"--since={since}"] * (since is not None) + [f"--lines={lines}"] * (lines is not None)
    words += [f"--after-cursor={after}"] * (after is not None)
    return shlex.join(words)


def parse(text: str) -> list[Line]:
    """journalctl's JSON lines; one that is cut or has no time is left out."""
    found = []
    for raw in text.splitlines():
        try:
            entry = json.loads(raw)
            when = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
            cursor = str(entry["__CURSOR"])
        except (ValueError, KeyError, TypeError):
            continue
        unit = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or "")
        stamp = when.isoformat(timespec="microseconds")
        found.append(Line(stamp, unit, int(entry.get("PRIORITY") or 6), _text(entry.get("MESSAGE")), cursor))
    return found


def _text(message: Any) -> str:
    """The journal gives text, or a list of bytes where it is no UTF-8, or nothing where it is too long."""
    if isinstance(message, list):
        return bytes(message).decode(errors="replace")
    return "" if message is None else str(message)


def _read(shell: Shell, host: Host, units: tuple[str, ...], asked: Asked, after: str | None = None) -> list[Line]:
    lines = LINES if asked.lines is None and asked.since is None else asked.lines
    line = command(units, None, None, after) if after else command(units, asked.since, lines)
    done = shell.run(host, line)
    if done.exit_code != 0 and done.stderr.strip():
        message = f"{host.name}: journalctl: {done.stderr.strip().splitlines()[-1]}"
        raise CheckError(message, hint='--since takes what journalctl takes: "10 min ago", "2026-11-21 14:00", today')
    return parse(done.stdout)


def _follow(
    shell: Shell, host: Host, units: tuple[str, ...], found: list[Line], asked: Asked, say: Callable[[Line], None]
) -> None:
    """Every line once, in order, over connections that are opened again where one broke. Ends with an exception."""
    last = None
    while True:
        for line in found:
            say(line)
            last = line.cursor
        time.sleep(POLL_SECONDS)  # poll interval; Ctrl-C ends it
        found = _read(shell, host, units, asked, last)


def _nothing(asked: Asked, units: tuple[str, ...]) -> Problem:
    names = " or ".join(units)
    since = f" since {asked.since}" if asked.since else ""
    hint = f"`systemctl status {units[0]}` on that host says whether there is such a unit"
    return Problem("warning", "no-lines", f"the journal has no line of {names}{since}", host=asked.host, hint=hint)


def _render(console: Console, lines: list[Line]) -> None:
    from kprov.ui.journal import print_line

    for line in lines:
        print_line(console, line)
