"""The hosts' clocks: a certificate is valid by the clock of who looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory

SKEW = 30.0  # seconds


def clocks(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Clocks that are wrong."""
    for machine in inventory.machines:
        if abs(machine.skew) > SKEW:
            direction = "ahead" if machine.skew > 0 else "behind"
            message = f"its clock is {abs(machine.skew):.0f} s {direction}"
            yield Finding("clock-skew", "warning", message, machine.host, hint="let a time service keep it")
