"""What Kubernetes lets a Node carry, and what of it is not the inventory's: labels, taints, annotations, resources.

The rules are the API server's own (k8s.io/apimachinery and k8s.io/kubernetes v1.36.3: api/validate/content/kube.go,
apis/core/validation: validateNodeTaints, apis/core/v1/helper: IsExtendedResourceName); here they are found before any
node is touched.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from kprov.spec.checks.names import is_subdomain
from kprov.spec.checks.node_owners import ANNOTATIONS, KNOWN_LABELS, LABELS, OWNERS, RESOURCES, TAINTS
from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
LONGEST_NAME = 63
MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values of an object together (TotalAnnotationSizeLimitB)
MAX_AMOUNT = 2**63 - 1
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
KEEPS_PODS_AWAY = frozenset({"NoSchedule", "NoExecute"})
TAINT_FIELDS = ("key", "value", "effect")
EXAMPLE = "{key: example.com/dedicated, value: db, effect: NoSchedule}"
OLD_TAINT = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^:]*))?:(?P<effect>\w+)")
ZONE = "topology.kubernetes.io/zone"
# Twice while a run is under way (what was and what will be), and some room for names and indentation.
MAX_RECORD = 300 * 1024
CODES = {LABELS: "node-label", TAINTS: "node-taint", ANNOTATIONS: "node-annotation", RESOURCES: "extended-resource"}


def labels(draft: Draft, report: Report) -> None:
    """Qualified names, short values, nothing that is somebody else's."""
    for values, host in draft.distinct(LABELS):
        for key, value in values.items():
            where = _Where(report, host, LABELS, str(key))
            _key(where, str(key))
            _label_value(where, value)
            _misspelt(where, str(key))


def annotation_texts(draft: Draft, report: Report) -> None:
    """Qualified names (in any case), texts of 256 KiB at most."""
    for values, host in draft.distinct(ANNOTATIONS):
        for key, value in values.items():
            where = _Where(report, host, ANNOTATIONS, str(key))
            # ValidateAnnotations looks at the key in lower case: a domain may have capitals here.
            _key(where, str(key), domain_in_capitals=True)
            _text(where, value)
        size = sum(len(str(text).encode()) for item in values.items() for text in item)
        if size > MAX_ANNOTATIONS:
            text = f"{ANNOTATIONS}: {size} bytes; a Node holds {MAX_ANNOTATIONS}, those of others included"
            report.error("node-annotation", text, host=host.name, variable=ANNOTATIONS)


def taints(draft: Draft, report: Report) -> None:
    """Key and effect, at most one taint of both, nothing that is somebody else's."""
    for items, host in draft.distinct(TAINTS):
        seen = set()
        for item in items:
            where = _Where(report, host, TAINTS, str(item.get("key", "")) if isinstance(item, dict) else "")
            if not _complete(where, item):
                continue
            _key(where, where.key)
            _label_value(where, "" if item.get("value") is None else item["value"])
            effect = str(item["effect"])
            if effect not in EFFECTS:
                near = get_close_matches(effect.lower(), [e.lower() for e in EFFECTS], n=1)
                meant = next((e for e in EFFECTS if near and e.lower() == near[0]), None)
                hint = f"did you mean {meant}?" if meant else f"one of {', '.join(EFFECTS)}"
                where.error(f"{effect!r} is not an effect", hint)
            if (where.key, effect) in seen:
                where.error(f"twice with the effect {effect}", "Kubernetes takes each pair of key and effect once")
            seen.add((where.key, effect))


def extended_resources(draft: Draft, report: Report) -> None:
    """A domain that is not Kubernetes' own, and a whole number."""
    for values, host in draft.distinct(RESOURCES):
        for key, value in values.items():
            name = str(key)
            where = _Where(report, host, RESOURCES, name)
            if "/" not in name or "kubernetes.io/" in name:
                where.error(
                    "needs a domain that is not kubernetes.io", f"for example example.com/{name.rpartition('/')[2]}"
                )
            elif name.startswith("requests."):
                where.error("a name must not start with `requests.`: quotas are called that")
            else:
                # Kubernetes checks "requests." + name, so that a quota can name it: a shorter domain than elsewhere.
                _key(where, f"requests.{name}", shown=name)
            if isinstance(value, bool) or not str(value).isdigit() or int(value) > MAX_AMOUNT:
                where.error(
                    f"{value!r} is not a whole number, zero or more", "pods get whole ones; write 2, not 2.0 or 2k"
                )


def room_for_pods(draft: Draft, report: Report) -> None:
    """Taints on every node that runs pods leave CoreDNS, and every other pod without tolerations, nowhere to run."""
    nodes = [h for h in draft.hosts if not h.is_control_plane or h.values.get("control_plane_schedulable") is True]
    closed = [host for host in nodes if _keeps_pods_away(host)]
    # CoreDNS, as kubeadm installs it, tolerates control planes; then it has those at least.
    if nodes and len(closed) == len(nodes):
        report.warning(
            "nowhere-to-run",
            f"every node that runs ordinary pods has a taint in {TAINTS} that keeps them away",
            host=closed[0].name,
            variable=TAINTS,
            hint="leave a node without, or give every workload its tolerations",
        )


def zones(draft: Draft, report: Report) -> None:
    """Control planes that are all in one zone, while other nodes are in others: that zone takes the API along."""
    found = {host.name: (host.values.get(LABELS) or {}).get(ZONE) for host in draft.hosts}
    of_planes = {found[host.name] for host in draft.control_planes}
    others = {zone for zone in found.values() if zone} - of_planes
    if len(draft.control_planes) > 1 and len(of_planes) == 1 and None not in of_planes and others:
        report.warning(
            "one-zone",
            f"all control planes are in the zone {of_planes.pop()}, and other nodes are not: it takes the API along",
            host=draft.control_planes[0].name,
            variable=LABELS,
            hint="spread the control planes over the zones",
        )


def record_size(draft: Draft, report: Report) -> None:
    """kprov keeps what it set in one ConfigMap, and that holds 1 MiB (k8s.io/api: MaxSecretSize, for both)."""
    size = sum(len(str(host.values[name])) for host in draft.hosts for name in OWNERS if name in host.values)
    if size > MAX_RECORD:
        report.error(
            "node-settings-size",
            f"all nodes' labels, taints and annotations have {size // 1024} KiB; kprov can keep {MAX_RECORD // 1024}",
            host=draft.hosts[0].name,
            hint="large texts do not belong into annotations",
        )


class _Where:
    """A key of a variable of a host, for messages."""

    def __init__(self, report: Report, host: DraftHost, variable: str, key: str) -> None:
        self.report, self.host, self.variable, self.key = report, host, variable, key

    def error(self, message: str, hint: str | None = None) -> None:
        text = f"{self.variable}: {self.key}: {message}" if self.key else f"{self.variable}: {message}"
        self.report.error(CODES[self.variable], text, host=self.host.name, variable=self.variable, hint=hint)


def _key(where: _Where, key: str, *, domain_in_capitals: bool = False, shown: str | None = None) -> None:
    domain, slash, name = key.rpartition("/")
    if slash and not is_subdomain(domain.lower() if domain_in_capitals else domain):
        where.error(
            f"{(shown or key).rpartition('/')[0]!r} is not a DNS name in lower case",
            "write DOMAIN/NAME, or a name alone",
        )
    elif not NAME.fullmatch(name):
        where.error("a name is letters, digits, -, _ and ., with a letter or digit at both ends")
    elif len(name) > LONGEST_NAME:
        where.error(f"the name has {len(name)} characters; {LONGEST_NAME} are possible")
    elif owner := OWNERS.get(where.variable, {}).get(key):
        where.error("not to be set here", owner)


def _text(where: _Where, value: Any) -> bool:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return True
    # The rest is what YAML made of it: true, 1.10 and 2026-01-01 would arrive as True, 1.1 and a date.
    where.error(
        f"the value must be a text, not {value!r}",
        f'write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"',
    )
    return False


def _label_value(where: _Where, value: Any) -> None:
    if not _text(where, value):
        return
    text = str(value)
    if len(text) > LONGEST_NAME:
        where.error(f"the value has {len(text)} characters; {LONGEST_NAME} are possible", "an annotation holds more")
    elif text and not NAME.fullmatch(text):
        hint = "an annotation holds any text" if where.variable == LABELS else None
        where.error(f"the value {text!r} is not letters, digits, -, _ and ., with a letter or digit at both ends", hint)


def _misspelt(where: _Where, key: str) -> None:
    domain = key.partition("/")[0]
    if not domain.endswith("kubernetes.io") or key in KNOWN_LABELS or key in OWNERS[LABELS]:
        return
    near = get_close_matches(key, KNOWN_LABELS, n=1, cutoff=0.9)
    if near:
        text = f"{LABELS}: {key} means nothing to Kubernetes"
        host, hint = where.host.name, f"did you mean {near[0]}?"
        where.report.warning("node-label", text, host=host, variable=LABELS, hint=hint)


def _complete(where: _Where, item: Any) -> bool:
    if not isinstance(item, dict):
        where.error(f"{item!r} is not a dictionary", f"write it as {_from_old(str(item)) or EXAMPLE}")
        return False
    unknown = next((name for name in item if name not in TAINT_FIELDS), None)
    if unknown is not None:
        near = get_close_matches(str(unknown), TAINT_FIELDS, n=1)
        where.error(
            f"unknown field {unknown}", f"did you mean {near[0]}?" if near else f"there is {', '.join(TAINT_FIELDS)}"
        )
        return False
    missing = [name for name in ("key", "effect") if not item.get(name)]
    if missing:
        where.error(f"a taint needs {' and '.join(missing)}", f"for example {EXAMPLE}")
    return not missing


def _keeps_pods_away(host: DraftHost) -> bool:
    return any(isinstance(t, dict) and t.get("effect") in KEEPS_PODS_AWAY for t in host.values.get(TAINTS, ()))


def _from_old(text: str) -> str | None:
    """KEY=VALUE:EFFECT, as Kubespray and kubectl write a taint, in kprov's form; None if it is not that."""
    found = OLD_TAINT.fullmatch(text)
    if not found:
        return None
    value = f', value: "{found["value"]}"' if found["value"] else ""
    return f"{{key: {found['key']}{value}, effect: {found['effect']}}}"
