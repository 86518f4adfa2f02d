"""What kprov sets on a Node object, what it may take away again, and what belongs to somebody else.

A Node's labels, annotations, taints and extended resources are seen in one form, {kind: {key: value}}; a taint's key
is KEY:EFFECT, because Kubernetes tells taints apart by that pair. Server-side apply would keep account of owners by
itself, but a Node's taints are one atomic list to it (k8s.io/api v0.36.3, core/v1: +listType=atomic): applying one
would take the taints of the node controller and of `kubectl cordon` away. So kprov keeps account, in one way for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible.module_utils import kprov_quantity

LABELS, ANNOTATIONS, TAINTS, RESOURCES = "labels", "annotations", "taints", "extended_resources"
KINDS = (LABELS, ANNOTATIONS, TAINTS, RESOURCES)
WORDS = {LABELS: "label", ANNOTATIONS: "annotation", TAINTS: "taint", RESOURCES: "extended resource"}


@dataclass
class Merge:
    """What is to be done with one Node.

    set: missing or with another value; remove: kprov's own that nobody wants any more; conflicts: wanted, but somebody
    else has given it another value, as (kind, key, value there); left: was kprov's, but has another value by now;
    own: the keys that are kprov's when it is done.
    """

    set: dict[str, dict[str, str]] = field(default_factory=dict)
    remove: dict[str, dict[str, str]] = field(default_factory=dict)
    conflicts: list[tuple[str, str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    own: dict[str, list[str]] = field(default_factory=dict)

    @property
    def due(self) -> bool:
        """Whether the Node has to be changed."""
        return bool(self.set or self.remove)


def read(node: dict) -> dict[str, dict[str, str]]:
    """What a Node has."""
    metadata = node["metadata"]
    capacity = (node.get("status") or {}).get("capacity") or {}
    return {
        LABELS: dict(metadata.get("labels") or {}),
        ANNOTATIONS: dict(metadata.get("annotations") or {}),
        TAINTS: {taint_key(t): t.get("value") or "" for t in _taints(node)},
        RESOURCES: {name: str(amount) for name, amount in capacity.items() if is_extended(name)},
    }


def merge(wanted: dict, live: dict, record: dict, force: bool) -> Merge:
    """Three-way merge of what is wanted, what a Node has, and what kprov recorded about this very Node ({}: nothing).

    record: {"values", "own", "before"} as entry() and planned() make them. force: overwrite what somebody else has set.
    """
    result = Merge()
    for kind in KINDS:
        want, there, recorded = wanted.get(kind, {}), live[kind], _recorded(record, kind)
        own = []
        for key, value in want.items():
            if absent(kind, key, there):
                result.set.setdefault(kind, {})[key] = value
                own.append(key)
            elif same(kind, there[key], value):
                if key in recorded:  # else it was there before kprov, and stays when kprov no longer wants it
                    own.append(key)
            elif key in recorded or force:
                result.set.setdefault(kind, {})[key] = value
                own.append(key)
            else:
                result.conflicts.append((kind, key, there[key]))
        for key, values in recorded.items():
            if key in want or key not in there:
                continue
            if absent(kind, key, there) or any(same(kind, there[key], value) for value in values):
                result.remove.setdefault(kind, {})[key] = there[key]
            else:
                result.left.append((kind, key))
        if own:
            result.own[kind] = sorted(own)
    return result


def entry(uid: str | None, values: dict, own: dict) -> dict:
    """What the record says about a Node. values: what is wanted, as the API shows it. uid: None, it was not there."""
    return {"uid": uid, "values": _full(values), "own": own}


def planned(uid: str, wanted: dict, plan: Merge, record: dict) -> dict:
    """The entry before anything is changed: after a run that was killed it says what is kprov's, however far it got."""
    before: dict[str, dict[str, list[str]]] = {}
    for kind in KINDS:
        for key, values in _recorded(record, kind).items():
            before.setdefault(kind, {})[key] = sorted(values)
    return {**entry(uid, wanted, plan.own), "before": before}


def patches(node: dict, plan: Merge) -> tuple[dict, dict]:
    """JSON merge patches (RFC 7386) for a Node and for its status; empty if there is nothing to do.

    Taints are one list: it goes out whole, and so with the resourceVersion that it was read with.
    """
    metadata: dict = {}
    for kind in (LABELS, ANNOTATIONS):
        changes = {**plan.set.get(kind, {}), **dict.fromkeys(plan.remove.get(kind, {}))}
        if changes:
            metadata[kind] = changes
    main: dict = {}
    if plan.set.get(TAINTS) or plan.remove.get(TAINTS):
        metadata["resourceVersion"] = node["metadata"]["resourceVersion"]
        main["spec"] = {"taints": _new_taints(node, plan) or None}
    if metadata:
        main["metadata"] = {"uid": node["metadata"]["uid"], **metadata}
    amounts = {**plan.set.get(RESOURCES, {}), **dict.fromkeys(plan.remove.get(RESOURCES, {}))}
    # The kubelet would make Allocatable follow within ten seconds; until then the scheduler would not believe it.
    status = {"status": {"capacity": amounts, "allocatable": amounts}} if amounts else {}
    return main, status


def unfulfilled(wanted: dict, live: dict) -> list[str]:
    """What a Node still has not, in words: an admission webhook may have taken it out again."""
    return [
        describe(kind, key)
        for kind in KINDS
        for key, value in wanted.get(kind, {}).items()
        if key not in live[kind] or not same(kind, live[kind][key], value)
    ]


def as_shown(wanted: dict, live: dict) -> dict[str, dict[str, str]]:
    """What is wanted, spelled as the API shows it: 2000 of an extended resource is 2k there."""
    return {kind: {key: live[kind].get(key, value) for key, value in wanted.get(kind, {}).items()} for kind in KINDS}


def absent(kind: str, key: str, live: dict[str, str]) -> bool:
    """Whether a Node does not have it. The kubelet of a node that was made anew sets extended resources to 0."""
    return key not in live or (kind == RESOURCES and same(kind, live[key], "0"))


def same(kind: str, one: str, other: str) -> bool:
    """Whether two values mean the same."""
    if kind != RESOURCES:
        return one == other
    return kprov_quantity.parse(one) == kprov_quantity.parse(other)


def describe(kind: str, key: str) -> str:
    """For people: "label example.com/rack"."""
    return f"{WORDS[kind]} {key}"


def manager(node: dict, kind: str, key: str) -> str | None:
    """Who wrote a value last, by the Node's managedFields; None if that is not known. Taints: the whole list."""
    where = {
        LABELS: ("f:metadata", "f:labels", f"f:{key}"),
        ANNOTATIONS: ("f:metadata", "f:annotations", f"f:{key}"),
        TAINTS: ("f:spec", "f:taints"),
        RESOURCES: ("f:status", "f:capacity", f"f:{key}"),
    }[kind]
    for managed in node["metadata"].get("managedFields") or ():
        fields = managed.get("fieldsV1") or {}
        for name in where:
            fields = fields.get(name) if fields is not None else None
        if fields is not None:
            return managed.get("manager")
    return None


def is_extended(resource: str) -> bool:
    """As Kubernetes' IsNativeResource says it: everything with a domain that is not kubernetes.io."""
    return "/" in resource and "kubernetes.io/" not in resource


def taint_key(taint: dict) -> str:
    """Key and effect: a Node has only one taint of both."""
    return f"{taint['key']}:{taint['effect']}"


def _taints(node: dict) -> list[dict]:
    return (node.get("spec") or {}).get("taints") or []


def _new_taints(node: dict, plan: Merge) -> list[dict]:
    """The Node's taints, those of others untouched and in their order."""
    wanted, gone = plan.set.get(TAINTS, {}), plan.remove.get(TAINTS, {})
    kept = [t for t in _taints(node) if taint_key(t) not in wanted and taint_key(t) not in gone]
    return kept + [_taint(key, value) for key, value in wanted.items()]


def _taint(key: str, value: str) -> dict:
    name, _, effect = key.rpartition(":")
    return {"key": name, **({"value": value} if value else {}), "effect": effect}


def _recorded(record: dict, kind: str) -> dict[str, set[str]]:
    """Key to the values that kprov has given it; two while a run that was killed may have got to either."""
    values = record.get("values", {}).get(kind, {})
    found = {key: {values[key]} for key in record.get("own", {}).get(kind, []) if key in values}
    for key, before in record.get("before", {}).get(kind, {}).items():
        found.setdefault(key, set()).update(before)
    return found


def _full(values: dict) -> dict:
    return {kind: values[kind] for kind in KINDS if values.get(kind)}
