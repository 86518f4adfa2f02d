"""`kprov certs rotate-ca` for people: where a rotation is, and what its next step does."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from kprov.certs.certificate import Certificate
from kprov.certs.rotation import Plane, Rotation, Step, restarts

DOES = {
    Step.CREATE: "makes a new CA and keeps it beside the old one on every control plane; nobody trusts it yet",
    Step.TRUST: "makes everything trust both CAs, and proves it; the old CA goes on signing",
    Step.ISSUE: "has every leaf signed by the new CA, one control plane at a time, and proves that they are in use",
    Step.DISTRUST: "puts the new CA in the old one's place, and proves that the old one's certificates are refused",
}


def announce(console: Console, authority: str, rotation: Rotation) -> None:
    """What the step does, where, and what it restarts."""
    if rotation.step is None:
        return
    names = restarts(authority, rotation.step)
    again = f"; restarts {' and '.join(names)} on one control plane after the other" if names else "; restarts nothing"
    console.print(f"step {rotation.step} of {authority}: {DOES[rotation.step]}{again} ({rotation.why})", soft_wrap=True)


def print_rotation(
    console: Console, cluster: str, authority: str, rotation: Rotation, planes: Sequence[Plane], taken: Sequence[str]
) -> None:
    """A row per control plane; then what was done and what comes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    leaves = "LEAVES OF THE NEW CA" if rotation.step else "ITS LEAVES"
    for column in ("HOST", "TRUSTS", "SIGNS WITH", leaves, "BESIDE IT"):
        table.add_column(column, overflow="fold")
    for plane in planes:
        beside = [f"{_short(one)} ({what})" for one, what in ((plane.next, "next"), (plane.old, "old")) if one]
        table.add_row(
            plane.host,
            ", ".join(_short(one) for one in plane.bundle) + ("" if plane.loaded else " (not loaded yet)"),
            _short(plane.bundle[0]) if plane.signs else "no key",
            f"{sum(leaf.signed_by(rotation.new) for leaf in plane.leaves.values()) if rotation.new else 0} of "
            f"{len(plane.leaves)}",
            ", ".join(beside) or "-",
        )
    console.print(table)
    done = f"{cluster}: {', '.join(taken)} done; " if taken else f"{cluster}: "
    console.print(f"{done}{_then(authority, rotation)}", soft_wrap=True)


def _then(authority: str, rotation: Rotation) -> str:
    command = f"kprov certs rotate-ca {authority}"
    if rotation.step is None:
        if rotation.new is None:
            return rotation.why
        ends = f"the one in use ends on {rotation.new.not_after:%Y-%m-%d}"
        return f"{rotation.why}; {ends}: {command} --replace {rotation.new.serial} --yes begins to replace it"
    names = restarts(authority, rotation.step)
    again = f" and restarts {' and '.join(names)}" if names else ""
    return f"next is {rotation.step}: it {DOES[rotation.step]}{again}. --yes takes this step, --yes --all-steps all"


def _short(certificate: Certificate) -> str:
    """The serial's first digits are enough to tell two apart; JSON has all."""
    return certificate.serial[:8]
