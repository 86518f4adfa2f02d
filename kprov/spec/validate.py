"""All checks of an inventory, in the order in which their findings are shown."""

from __future__ import annotations

from kprov.spec.checks import CHECKS
from kprov.spec.draft import Draft
from kprov.spec.report import Report


def validate(draft: Draft, report: Report) -> None:
    """Run every check. Findings go to the report; nothing is raised, so that all of them come at once."""
    for check in CHECKS:
        check(draft, report)
