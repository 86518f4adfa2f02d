"""Variables of the phase `certificates`."""

from __future__ import annotations

import re

from kprov.spec.checks.certs_renew import SPAN
from kprov.spec.draft import Draft
from kprov.spec.report import Report

DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
DAYS = rf"{DAY}(\.\.{DAY})?"  # systemd.time(7): weekdays, ranges of them
TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
WINDOW = re.compile(rf"({DAYS}(,{DAYS})* )?(?P<first>{TIME})-(?P<last>{TIME})")
SHORTEST = 5  # minutes, of a window: time for three control planes one after another
CHECK_NEEDED = "certificates_check is never, so nobody would hear of a renewal that failed"


def limits(draft: Draft, report: Report) -> None:
    """A warning comes before what is critical."""
    for host in draft.hosts:
        critical, warn = (host.values.get(f"certificates_{name}_days") for name in ("critical", "warn"))
        if isinstance(critical, int) and isinstance(warn, int) and not 0 < critical <= warn:
            report.error(
                "certificates",
                f"certificates_critical_days {critical} is not between 1 and certificates_warn_days, {warn}",
                host=host.name,
                variable="certificates_critical_days",
            )


def approver(draft: Draft, report: Report) -> None:
    """A kubelet's next serving certificate is approved by the daily check: without it the kubelet has none some day."""
    off = next((host for host in draft.hosts if host.values.get("certificates_check") == "never"), None)
    asking = next((host for host in draft.hosts if host.values.get("kubelet_server_tls_bootstrap") is True), None)
    if off and asking:
        report.error(
            "certificates",
            f"kubelet_server_tls_bootstrap of {asking.name}: with certificates_check never nobody approves the next "
            "certificate of its kubelet, and a kubelet without one serves neither logs nor exec",
            host=off.name,
            variable="certificates_check",
            hint="certificates_check: daily, or kubelet_server_tls_bootstrap: false",
        )


def hook(draft: Draft, report: Report) -> None:
    """A timer has no PATH that anybody relies on, and no shell."""
    for command, host in draft.distinct("certificates_hook"):
        if command and not str(command[0]).startswith("/"):
            report.error(
                "certificates",
                f"certificates_hook: {command[0]!r} is not an absolute path on the node",
                host=host.name,
                variable="certificates_hook",
                hint="a list of a program and its arguments: [/usr/local/bin/alert, --team, infra]",
            )


def renewal(draft: Draft, report: Report) -> None:
    """A renewal that nobody is there for: when, from what time left on, and that somebody hears of it."""
    for window, host in draft.distinct("certificates_renew_window"):
        why = window_problem(str(window))
        if why:
            report.error(
                "certificates",
                f"certificates_renew_window: {why}",
                host=host.name,
                variable="certificates_renew_window",
                hint="Sun 02:00-04:00, or Sat,Sun 22:00-02:00, or 02:00-04:00",
            )
    for within, host in draft.distinct("certificates_renew_within"):
        if not within or not SPAN.fullmatch(str(within)):
            report.error(
                "certificates",
                f"certificates_renew_within: {within!r} is not a span of time",
                host=host.name,
                variable="certificates_renew_within",
                hint="a number and w, d, h, m or s, for example 60d or 12h",
            )
    for host in draft.hosts:
        if host.values.get("certificates_renew") is True and host.values.get("certificates_check") == "never":
            report.error(
                "certificates",
                f"certificates_renew: {CHECK_NEEDED}",
                host=host.name,
                variable="certificates_check",
                hint="certificates_check: daily",
            )


def window_problem(window: str) -> str | None:
    """What is wrong with a maintenance window; None: nothing."""
    found = WINDOW.fullmatch(window)
    if not found:
        return f"{window!r} is no window such as Sun 02:00-04:00"
    if (_minutes(found["last"]) - _minutes(found["first"])) % 1440 < SHORTEST:
        return f"{window!r} is shorter than {SHORTEST} minutes, and control planes take turns in it"
    return None


def _minutes(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)
