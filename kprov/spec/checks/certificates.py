"""Variables of the phase `certificates`."""

from __future__ import annotations

from kprov.spec.draft import Draft
from kprov.spec.report import Report


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
