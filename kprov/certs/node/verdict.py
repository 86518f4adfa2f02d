"""What a node says about its own certificates when nobody looks: the rules that take a cluster down."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kprov.certs.node import known
from kprov.certs.node.span import words
from kprov.certs.node.timer import renewal_problem
from kprov.certs.node.validity import ders, validity
from kprov.remote.node.processes import flag

DAY = 86_400
# A kubelet asks for its next certificate when 70 to 90 % of its life are over (client-go, certificate_manager.go).
OVERDUE, DANGER = 0.1, 0.05  # of its life left
OWN = ("/root/", "/home/")  # nothing stops when a person's file ends
ORDER = ("ok", "warning", "critical")


@dataclass(frozen=True)
class Seen:
    """A certificate that this node uses. ends: seconds since the epoch."""

    name: str
    place: str
    begins: float
    ends: float
    der: bytes


def seen(answer: dict[str, Any]) -> list[Seen]:
    """answer: of kprov.certs.node.main. Raises ValueError for one that is no certificate."""
    names = known.name_files(answer)
    entries = [
        (names.get(file["path"], file["path"]), file)
        for file in answer["files"]
        if not known.nobody_reads(file["path"], names)
    ]
    entries += [(entry["path"], entry) for entry in answer["kubeconfigs"] if not entry.get("follows")]
    return [
        Seen(name, entry["path"], *validity(der), der)
        for name, entry in entries
        for der in ders(entry.get("pem") or "")
    ]


def verdict(answer: dict[str, Any], certificates: list[Seen], now: float, warn: float, critical: float) -> list[Any]:
    """[severity, message] of each finding. warn, critical: seconds that a certificate should have left, at least."""
    renewal = renewal_problem(answer["renewal"])
    return [
        *_endings(certificates, now, warn, critical),
        *_served(answer, certificates),
        *_loaded(answer),
        *([["critical", renewal]] if renewal else []),
    ]


def started_after(started: float, changed: float) -> bool:
    """Whether a process was started after a file had changed; to the second: proc(5) knows no better."""
    return started + 1 >= changed


def worst(findings: list[Any]) -> str:
    """The severity of the worst finding, or ok."""
    return max((severity for severity, _ in findings), key=ORDER.index, default="ok")


def unread(answer: dict[str, Any]) -> list[str]:
    """What could not be read."""
    found = list(answer["errors"])
    found += [f"{one['path']}: {one['error']}" for one in (*answer["files"], *answer["kubeconfigs"]) if one["error"]]
    sockets = [one for one in answer["sockets"] if one["error"]]
    return [*found, *(f"{one['component']} at {one['address']}:{one['port']}: {one['error']}" for one in sockets)]


def _endings(certificates: list[Seen], now: float, warn: float, critical: float) -> Iterator[list[str]]:
    for one in certificates:
        left = one.ends - now
        own = one.place.startswith(OWN)
        if one.name == "kubelet-client" or one.place == known.KUBELET_SERVER[0]:
            life = one.ends - one.begins
            warn_here, critical_here = OVERDUE * life, DANGER * life
        else:
            warn_here, critical_here = warn, critical
        if left < warn_here:
            severity = "critical" if left < critical_here and not own else "warning"
            when = f"expires in {words(left)}" if left > 0 else f"expired {words(left)}"
            yield [severity, f"{one.name} {when} ({one.place})"]


def _served(answer: dict[str, Any], certificates: list[Seen]) -> Iterator[list[str]]:
    on_disk: dict[str | None, bytes] = {}
    names = known.name_files(answer)
    for one in certificates:
        on_disk.setdefault(one.name, one.der)
    for socket in answer["sockets"]:
        name = known.served_by(socket["component"], answer["components"], names)
        if socket["der"] and name in on_disk and base64.b64decode(socket["der"]) != on_disk[name]:
            yield ["critical", f"{socket['address']}:{socket['port']} serves another {name} than the file's"]


def _loaded(answer: dict[str, Any]) -> Iterator[list[str]]:
    changed = {entry["path"]: entry["changed"] for entry in answer["kubeconfigs"] if not entry["error"]}
    for component in known.READ_AT_START:
        about = answer["components"].get(component)
        path = flag(about["args"], "kubeconfig") if about else None
        if about and about["started"] and path in changed and not started_after(about["started"], changed[path]):
            yield ["critical", f"{component} was started before {path} changed: it still has the old certificate"]
