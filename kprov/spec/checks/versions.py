"""kubernetes_version: one that kprov, or the bundle, has the artifacts of."""

from __future__ import annotations

import re
from pathlib import Path

from kprov.spec.draft import Draft
from kprov.spec.report import Report
from kprov.spec.versions import matches, supported_versions

VERSION = re.compile(r"^\d+\.\d+(\.\d+)?$")


def kubernetes_version(draft: Draft, report: Report) -> None:
    """A minor or an exact version that is among the releases."""
    for wanted, host in draft.distinct("kubernetes_version"):
        bundle = host.text("artifacts_bundle")
        there = supported_versions(Path(bundle) if bundle else None)
        if not there and bundle:
            continue  # the bundle is unreadable: said by the checks of artifacts
        if any(matches(wanted, version) for version in there):
            continue
        place = f"the bundle {bundle} holds" if bundle else "there are"
        report.error(
            "unsupported-version",
            f"Kubernetes {wanted} is not supported; {place} {', '.join(there)}",
            host=host.name,
            variable="kubernetes_version",
            hint=_hint(wanted, host.raw.get("kubernetes_version"), there),
        )


def _hint(wanted: str, raw: object, there: tuple[str, ...]) -> str | None:
    if isinstance(raw, float):
        return f"write it in quotes: without them {wanted}0 is read as the number {wanted}"
    if any(matches(wanted.removeprefix("v"), version) for version in there):
        return f'write "{wanted.removeprefix("v")}", without the v'
    if not VERSION.match(wanted):
        return f'write a minor version such as "{there[0].rpartition(".")[0]}", or an exact one such as "{there[0]}"'
    minor = ".".join(wanted.split(".")[:2])
    near = [version for version in there if matches(minor, version)]
    return f"of {minor} there is {', '.join(near)}" if near else None
