"""Private keys."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.finding import Finding, Limits, about
from kprov.certs.item import Inventory
from kprov.certs.kubeconfig import mended_by

OTHERS = 0o007


def belong(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Keys of other certificates: the process does not start, or does not take up its new certificate."""
    for item in inventory.items:
        if item.key and item.key.problem:
            message = f"{item.key.path} is not its private key: {item.key.problem}"
            hint = mended_by(item, "put the pair back together, or `kprov certs renew`")
            yield about(item, "key-mismatch", "critical", message, hint)


def readable(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Keys that every user of the node can read."""
    paths = {(item.host, item.key.path): item.key for item in inventory.items if item.key}
    paths |= {(machine.host, key.path): key for machine in inventory.machines for key in machine.private_keys}
    for (host, path), key in paths.items():
        if key.mode & OTHERS:
            message = f"every user of the node can read the private key in it (mode {key.mode:04o})"
            yield Finding("key-readable", "warning", message, host, path, path, f"chmod 600 {path}")
