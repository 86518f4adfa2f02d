"""Whether somebody would notice: the nodes' own checks and renewals, where they were ever scheduled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kprov.certs.duration import words
from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory
from kprov.certs.node.timer import CHECK, RENEWAL, renewal_problem

INTERVAL = {"daily": 86_400, "hourly": 3_600}  # seconds
JITTER = 3_600
WEEK = 7 * 86_400
HINT = "kprov certs schedule"


@dataclass(frozen=True)
class Watched:
    """What a timer is there for. ran: exit codes of a run that did its work. gap: seconds between two runs, at most."""

    unit: str
    nobody: str
    what: str
    ran: tuple[str, ...]
    gap: Callable[[str], float]


def _check_gap(when: str) -> float:
    """Half an interval more than the longest gap that the timer can have."""
    return 1.5 * INTERVAL.get(when, INTERVAL["daily"]) + JITTER


def _renewal_gap(window: str) -> float:
    """A window on some days comes once a week at least; what began in it has a day to end."""
    return (WEEK if " " in window else INTERVAL["daily"]) + INTERVAL["daily"]


CHECKED = Watched(CHECK.unit, "nobody checks this node's certificates", "check", ("0", "3", "4"), _check_gap)
RENEWED = Watched(RENEWAL.unit, "nobody renews this node's certificates", "renewal", ("0", "3"), _renewal_gap)


def alive(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Timers that are off, whose program does not run, or whose last report is too old. One finding for each."""
    for machine in inventory.machines:
        for watched, timer in ((CHECKED, machine.timer), (RENEWED, machine.renewal)):
            if timer is None:
                continue
            name = f"{watched.unit}.timer"
            dead = _dead(timer, watched)
            stale = None if dead else _stale(timer, watched, inventory.now)
            if dead:
                yield Finding("timer-dead", "critical", dead, machine.host, name, hint=HINT)
            elif stale:
                yield Finding(
                    "timer-stale", "critical", stale, machine.host, name, hint=f"journalctl -u {watched.unit}.service"
                )


def renewed(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """The last renewal in a maintenance window was refused, failed, or was cut short."""
    for machine in inventory.machines:
        problem = renewal_problem(dict(machine.renewal) if machine.renewal else None)
        if problem:
            hint = f"journalctl -u {RENEWAL.unit}.service; `kprov certs renew` renews at once"
            yield Finding("renewal-failed", "critical", problem, machine.host, f"{RENEWAL.unit}.service", hint=hint)


def _dead(timer: Mapping[str, Any], watched: Watched) -> str | None:
    """The first thing that is wrong."""
    unit, service = timer["timer"], timer["service"]
    nobody = watched.nobody
    loaded = unit.get("LoadState") == service.get("LoadState") == "loaded"
    wrong = (
        (not timer["program"], f"{nobody}: the {watched.what}'s program is missing"),
        (not loaded, f"{nobody}: its units are missing or broken"),
        (unit.get("ActiveState") != "active", f"{nobody}: the timer is {unit.get('ActiveState')}"),
        (
            unit.get("UnitFileState") != "enabled",
            f"after the next boot {nobody}: the timer is {unit.get('UnitFileState')}",
        ),
        (
            service.get("ExecMainStatus", "0") not in watched.ran,
            f"the {watched.what} itself fails: {service.get('Result')}, exit code {service.get('ExecMainStatus')}",
        ),
    )
    return next((message for is_wrong, message in wrong if is_wrong), None)


def _stale(timer: Mapping[str, Any], watched: Watched, now: datetime) -> str | None:
    report = timer["report"]
    if not report:
        return f"the {watched.what} has left no report"
    age = (now - datetime.fromisoformat(report["finished"] or report["started"])).total_seconds()
    if age > watched.gap(timer["when"] or ""):
        return f"the last {watched.what} of this node's certificates was {words(-age)}"
    return None
