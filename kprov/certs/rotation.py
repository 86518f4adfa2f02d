"""The rotation of a CA: what control planes say of it -> the next step. Pure.

Nothing is remembered between two runs: which CAs are in the bundles, who signed each leaf and since when each process
runs say where a rotation is. The order is that of "Manual Rotation of CA Certificates" in Kubernetes' documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kprov.certs.certificate import Certificate
from kprov.certs.item import Inventory
from kprov.certs.node.known import BY_NAME, KNOWN, READ_ONCE
from kprov.certs.node.verdict import started_after

# Beside CA.crt and CA.key, while a rotation is under way: the CA that comes, and in the last step the one that goes.
NEXT, OLD = "-next", "-old"


class Step(StrEnum):
    """In their order. Each may be done again."""

    CREATE = "create"  # the new CA lies beside the old one on every control plane
    TRUST = "trust"  # everything trusts both
    ISSUE = "issue"  # every leaf is the new CA's
    DISTRUST = "distrust"  # everything trusts only the new one, which takes the old one's place


@dataclass(frozen=True)
class Plane:
    """What one control plane says of a CA.

    bundle: the certificates in its file, in their order. signs: its key is there and belongs to the first of them.
    next, old: what lies beside it; next_signs: with its key. loaded: no process that reads the bundle only when it
    starts is older than the file.
    """

    host: str
    bundle: tuple[Certificate, ...]
    signs: bool = True
    next: Certificate | None = None
    next_signs: bool = False
    old: Certificate | None = None
    leaves: Mapping[str, Certificate] = field(default_factory=dict)
    loaded: bool = True


@dataclass(frozen=True)
class Rotation:
    """step: what is next; None: nothing is under way, and nothing is to be begun. hosts: where the step has work.

    old, new: certificates of the CAs, as far as they are known. why: in words, what makes it this step.
    refused: why no step may be taken; then step is None.
    """

    step: Step | None
    hosts: tuple[str, ...] = ()
    old: Certificate | None = None
    new: Certificate | None = None
    why: str = ""
    refused: str = ""


def restarts(authority: str, step: Step | None) -> tuple[str, ...]:
    """The processes that know a CA only from their next start on, where a step changes what they trust."""
    once = authority in READ_ONCE and step in (Step.TRUST, Step.DISTRUST)
    return tuple(component for component, _ in sorted(BY_NAME[authority].by)) if once else ()


def seen(inventory: Inventory, authority: str, hosts: Iterable[str]) -> tuple[Plane, ...]:
    """What each of these control planes says of a CA, by what was looked at."""
    return tuple(_plane(inventory, authority, host) for host in hosts)


def rotation(planes: Sequence[Plane], replace: str | None) -> Rotation:
    """The next step. replace: serial of the CA that is to go, to begin with; else only what is under way goes on."""
    refused = next((why for plane in planes if (why := _unfit(plane))), "")
    new = {plane.next for plane in planes if plane.next}
    if len(new) > 1:
        refused = "control planes have different CAs that wait to come: remove those that nobody is to trust"
    if refused:
        return Rotation(None, refused=refused)
    return _under_way(planes, new.pop(), replace) if new else _at_rest(planes, replace)


def _at_rest(planes: Sequence[Plane], replace: str | None) -> Rotation:
    """No rotation is under way; one may be begun."""
    current = planes[0].bundle[0]
    for plane in planes:
        strangers = [name for name, leaf in plane.leaves.items() if not leaf.signed_by(current)]
        wrong = (
            (len(plane.bundle) > 1, f"it trusts {len(plane.bundle)} CAs, and kprov did not put them there"),
            (plane.bundle[0] != current, f"it has another CA than {planes[0].host}"),
            (not plane.signs, "the key of the CA is not there, or another one's: who has it has to rotate it"),
            (plane.old is not None, "a CA that has gone still lies beside it, and no new one"),
            (bool(strangers), f"{', '.join(strangers)}: not signed by this CA; see `kprov certs check`"),
        )
        refused = next((why for is_wrong, why in wrong if is_wrong), None)
        if refused:
            return Rotation(None, refused=f"{plane.host}: {refused}")
    if replace is None:
        return Rotation(None, new=current, why="no rotation is under way")
    if replace != current.serial:
        return Rotation(None, new=current, why=f"the CA with serial {replace} is not in use any more")
    hosts = tuple(plane.host for plane in planes)
    return Rotation(Step.CREATE, hosts, old=current, why="there is no new CA yet")


def _under_way(planes: Sequence[Plane], new: Certificate, replace: str | None) -> Rotation:
    others = {one for plane in planes for one in (*plane.bundle, plane.old) if one and one != new}
    if len(others) > 1:
        return Rotation(None, new=new, refused="more than one CA is trusted beside the new one: remove the strangers")
    old = next(iter(others), None)
    if old and replace not in (None, old.serial):
        return Rotation(None, new=new, refused=f"a rotation is under way that replaces {old.serial}, not {replace}")
    needs = (
        (Step.CREATE, _without_new, "the new CA is not on {}"),
        (Step.TRUST, _without_trust, "the new CA is not trusted yet on {}"),
        (Step.ISSUE, _with_old_leaves, "leaves of the old CA are left on {}"),
        (Step.DISTRUST, _unfinished, "the old CA is still trusted, or lies there, on {}"),
    )
    for step, wanting, why in needs:
        hosts = tuple(plane.host for plane in planes if wanting(plane, new))
        if hosts:
            return Rotation(step, hosts, old, new, why.format(", ".join(hosts)))
    raise AssertionError("a rotation that is under way has a step to take")  # its CA still lies beside the other one


def _without_new(plane: Plane, new: Certificate) -> bool:
    """Where only the new one is trusted, it has taken its place and may be gone from beside it."""
    return plane.bundle != (new,) and not (plane.next and plane.next_signs)


def _without_trust(plane: Plane, new: Certificate) -> bool:
    return new not in plane.bundle or (len(plane.bundle) > 1 and not plane.loaded)


def _with_old_leaves(plane: Plane, new: Certificate) -> bool:
    return any(not leaf.signed_by(new) for leaf in plane.leaves.values())


def _unfinished(plane: Plane, new: Certificate) -> bool:
    done = plane.bundle == (new,) and plane.signs and plane.loaded
    return not done or plane.next is not None or plane.old is not None


def _unfit(plane: Plane) -> str | None:
    """Why nothing can be said about this control plane, or done on it."""
    if not plane.bundle:
        return f"{plane.host}: there is no CA of kubeadm's with this name"
    if not plane.leaves:
        return f"{plane.host}: nothing is signed by this CA, where kubeadm would have it"
    return None


def _plane(inventory: Inventory, authority: str, host: str) -> Plane:
    mine = [item for item in inventory.items if item.host == host]
    files = [item for item in mine if item.name == authority]
    # Other tools keep them elsewhere, with keys and processes that kprov knows nothing of.
    if not files or not files[0].place.endswith(f"/{BY_NAME[authority].path}"):
        return Plane(host, ())
    first = files[0]
    beside = {
        suffix: next((item for item in mine if item.place == f"{first.place.removesuffix('.crt')}{suffix}.crt"), None)
        for suffix in (NEXT, OLD)
    }
    coming, gone = beside[NEXT], beside[OLD]
    signed = {known.name: known.path for known in KNOWN if known.authority == authority}
    leaves = {item.name: item for item in mine if item.name in signed}
    return Plane(
        host,
        tuple(item.certificate for item in files),
        signs=bool(first.key and not first.key.problem),
        next=coming.certificate if coming else None,
        next_signs=bool(coming and coming.key and not coming.key.problem),
        old=gone.certificate if gone else None,
        leaves={n: item.certificate for n, item in leaves.items() if item.place.endswith(f"/{signed[n]}")},
        loaded=first.started is None or started_after(first.started, first.changed or 0.0),
    )
