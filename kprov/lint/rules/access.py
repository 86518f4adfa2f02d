"""Who may talk to the kubelet, and for how long it may talk to the API server."""

from __future__ import annotations

from kprov.lint.record import Facts, View
from kprov.lint.rule import Rule, Word


def _read_only_port(view: View, facts: Facts) -> Word | None:
    port = view.kubelet.get("readOnlyPort") if view.kubelet else None
    if port is None:
        return None
    problem = f"anybody who reaches the node reads all pods, with their environment, on port {port}, without TLS"
    return Word(str(port), problem if port else None)


def _anonymous(view: View, facts: Facts) -> Word | None:
    allowed = view.kubelet.get("authentication", "anonymous", "enabled") if view.kubelet else None
    if allowed is None:
        return None
    return Word("on" if allowed else "off", "requests without a certificate or token are let in" if allowed else None)


def _authorization(view: View, facts: Facts) -> Word | None:
    mode = view.kubelet.get("authorization", "mode") if view.kubelet else None
    if mode is None:
        return None
    problem = "whoever is let in may run commands in every container: the API server is not asked"
    return Word(str(mode), problem if mode != "Webhook" else None, fatal=True)


def _rotation(view: View, facts: Facts) -> Word | None:
    rotates = view.kubelet.get("rotateCertificates") if view.kubelet else None
    if rotates is None:
        return None
    problem = "the kubelet's certificate ends after a year, and the node with it"
    return Word("on" if rotates else "off", None if rotates else problem)


RULES = (
    Rule("read-only-port", _read_only_port, "readOnlyPort: 0; `kubelet-differs` names the file", in_plan=True),
    Rule("anonymous-auth", _anonymous, "authentication: {anonymous: {enabled: false}}", in_plan=True),
    Rule("authorization-mode", _authorization, "authorization: {mode: Webhook}", in_plan=True),
    Rule("rotate-certificates", _rotation, "rotateCertificates: true, then restart the kubelet", in_plan=True),
)
