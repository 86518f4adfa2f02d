"""Variables of `kprov certs renew`."""

from __future__ import annotations

import re

from kprov.spec.draft import Draft
from kprov.spec.report import Report

SPAN = re.compile(r"(\d+[wdhms])*")


def within(draft: Draft, report: Report) -> None:
    """A span of time, or nothing."""
    for span, host in draft.distinct("certs_renew_within"):
        if not SPAN.fullmatch(str(span)):
            report.error(
                "certs-renew",
                f"certs_renew_within: {span!r} is not a span of time",
                host=host.name,
                variable="certs_renew_within",
                hint="a number and w, d, h, m or s, for example 30d or 12h",
            )


def backups(draft: Draft, report: Report) -> None:
    """The newest backup is the one that is needed."""
    for count, host in draft.distinct("certs_renew_backups_kept"):
        if isinstance(count, int) and count < 1:
            report.error(
                "certs-renew",
                f"certs_renew_backups_kept: {count} keeps no backup, not even that of the run itself",
                host=host.name,
                variable="certs_renew_backups_kept",
            )
