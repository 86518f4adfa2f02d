"""The timers of this node that check and renew its certificates: whether they are alive, and what they reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.remote.node import commands, read

RECORD = "/var/lib/kprov/phases/certificates.json"
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,Result,ExecMainStatus"
TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Job:
    """A timer, its service, settings, report and program. when: the setting that says how often."""

    name: str
    when: str

    @property
    def program(self) -> str:
        return f"/usr/local/libexec/kprov/{self.name}"

    @property
    def config(self) -> str:
        return f"/etc/kprov/{self.name}.json"

    @property
    def report(self) -> str:
        return f"/var/lib/kprov/{self.name}.json"

    @property
    def unit(self) -> str:
        return f"kprov-{self.name}"


CHECK, RENEWAL = Job("certs-check", "check"), Job("certs-renew", "window")
CONFIG, REPORT, SERVICE = CHECK.config, CHECK.report, f"{CHECK.unit}.service"


def look(job: Job = CHECK) -> dict[str, Any] | None:
    """None where nobody ever scheduled it. Else: when (daily, hourly; a renewal's window; or None), program (whether it
    is there), report (of its last run, or None), timer and service: properties of the units, {} where systemd gave no
    answer.
    """
    config, record = read.json_object(job.config), read.json_object(RECORD)
    # Where it is never to run, the record has no program; settings that somebody has edited are still there.
    scheduled = config is not None if record is None else job.program in record.get("files", {})
    if not scheduled:
        return None
    units = (f"{job.unit}.timer", f"{job.unit}.service")
    systemctl = commands.find("systemctl")
    shown = commands.output([systemctl, "show", "-p", PROPERTIES, *units], TIMEOUT) if systemctl else None
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in (shown or "").strip().split("\n\n")]
    by_name = {unit.get("Id"): unit for unit in blocks}
    return {
        "when": (config or {}).get(job.when),
        "program": read.exists(job.program),
        "report": read.json_object(job.report),
        "timer": by_name.get(units[0], {}),
        "service": by_name.get(units[1], {}),
    }


def renewal_problem(renewal: dict[str, Any] | None) -> str | None:
    """What came of the last renewal in a maintenance window that somebody has to hear of; None: nothing."""
    report = (renewal or {}).get("report")
    if not renewal or not report or report.get("rehearsal"):
        return None
    if report["result"] in ("refused", "failed"):
        return f"the renewal in the maintenance window {report['result']}: {report['message']}"
    if report["result"] == "running" and renewal["service"].get("ActiveState") != "activating":
        return f"the renewal in the maintenance window was cut short; it began at {report['started']}"
    return None
