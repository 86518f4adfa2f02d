"""Whether somebody would notice: the nodes' own checks, where they were ever scheduled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kprov.certs.duration import words
from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory, Machine

NAME = "kprov-certs-check.timer"
INTERVAL = {"daily": 86_400, "hourly": 3_600}  # seconds
JITTER = 3_600
RAN = ("0", "3", "4")  # exit codes of a check that did its work
HINT = "kprov certs schedule"


def alive(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Timers that are off, whose program does not run, or whose last report is too old. One finding a host."""
    for machine in inventory.machines:
        dead = _dead(machine)
        stale = None if dead else _stale(machine, inventory.now)
        if dead:
            yield Finding("timer-dead", "critical", dead, machine.host, NAME, hint=HINT)
        elif stale:
            yield Finding(
                "timer-stale", "critical", stale, machine.host, NAME, hint=f"journalctl -u {NAME[:-6]}.service"
            )


def _dead(machine: Machine) -> str | None:
    """The first thing that is wrong."""
    timer = machine.timer
    if timer is None:
        return None
    unit, service = timer["timer"], timer["service"]
    nobody = "nobody checks this node's certificates"
    loaded = unit.get("LoadState") == service.get("LoadState") == "loaded"
    wrong = (
        (not timer["program"], f"{nobody}: the check's program is missing"),
        (not loaded, f"{nobody}: its units are missing or broken"),
        (unit.get("ActiveState") != "active", f"{nobody}: the timer is {unit.get('ActiveState')}"),
        (
            unit.get("UnitFileState") != "enabled",
            f"after the next boot {nobody}: the timer is {unit.get('UnitFileState')}",
        ),
        (
            service.get("ExecMainStatus", "0") not in RAN,
            f"the check itself fails: {service.get('Result')}, exit code {service.get('ExecMainStatus')}",
        ),
    )
    return next((message for is_wrong, message in wrong if is_wrong), None)


def _stale(machine: Machine, now: datetime) -> str | None:
    """Half an interval more than the longest gap that the timer can have."""
    timer = machine.timer
    if timer is None:
        return None
    if not timer["report"]:
        return "the check has left no report"
    age = (now - datetime.fromisoformat(timer["report"]["finished"])).total_seconds()
    if age > 1.5 * INTERVAL.get(timer["check"] or "", INTERVAL["daily"]) + JITTER:
        return f"the last check of this node's certificates was {words(-age)}"
    return None
