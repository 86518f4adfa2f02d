"""The timer that checks this node's certificates: whether it is alive."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import commands, read

CONFIG = "/etc/kprov/certs-check.json"
REPORT = "/var/lib/kprov/certs-check.json"
PROGRAM = "/usr/local/libexec/kprov/certs-check"
RECORD = "/var/lib/kprov/phases/certificates.json"
TIMER, SERVICE = "kprov-certs-check.timer", "kprov-certs-check.service"
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,Result,ExecMainStatus"
TIMEOUT = 5.0  # seconds


def look() -> dict[str, Any] | None:
    """None where nobody ever scheduled a check. Else: check (daily, hourly or None), program (whether it is there),
    report (of its last run, or None), timer and service: properties of the units, {} where systemd gave no answer.
    """
    config, record = read.json_object(CONFIG), read.json_object(RECORD)
    # Where the check is never to run, the record has no program; settings that somebody has edited are still there.
    scheduled = config is not None if record is None else PROGRAM in record.get("files", {})
    if not scheduled:
        return None
    systemctl = commands.find("systemctl")
    shown = commands.output([systemctl, "show", "-p", PROPERTIES, TIMER, SERVICE], TIMEOUT) if systemctl else None
    units = [dict(line.split("=", 1) for line in block.splitlines()) for block in (shown or "").strip().split("\n\n")]
    by_name = {unit.get("Id"): unit for unit in units}
    return {
        "check": (config or {}).get("check"),
        "program": read.exists(PROGRAM),
        "report": read.json_object(REPORT),
        "timer": by_name.get(TIMER, {}),
        "service": by_name.get(SERVICE, {}),
    }
