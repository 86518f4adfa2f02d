"""Whether Nodes still have what kprov set on them: labels, annotations, taints, extended resources, nothing else."""

from __future__ import annotations

from typing import Any

LONGEST = 60  # characters of a value in a message
WORDS = {
    "labels": "label",
    "annotations": "annotation",
    "taints": "taint",
    "extended_resources": "extended resource",
}


def drift(recorded: dict[str, Any], nodes: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Each thing that is missing or has another value; of a Node that was made anew, all of it in one line.

    recorded: Node to {"uid", "values": {kind: {key: value}}}. A Node that is not there is no drift: there is nothing to
    set anything on.
    """
    found = []
    for node in nodes:
        name, entry = node["metadata"]["name"], recorded.get(node["metadata"]["name"])
        if entry is None:
            continue
        problems = _problems(entry["values"], _settings(node))
        if problems and entry["uid"] != node["metadata"]["uid"]:
            found.append(
                {"what": f"Node {name}", "problem": f"is new, without {', '.join(what for what, _ in problems)}"}
            )
        else:
            found += [{"what": f"{what} of Node {name}", "problem": problem} for what, problem in problems]
    return found


def _problems(values: dict[str, Any], there: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    found = []
    for kind, wanted in values.items():
        for key, value in wanted.items():
            now = there[kind].get(key)
            if now is None:
                found.append((f"{WORDS[kind]} {key}", "missing"))
            elif now != value:
                found.append((f"{WORDS[kind]} {key}", f"is {_short(now)}, not {_short(value)}"))
    return found


def _short(value: str) -> str:
    return repr(value) if len(value) <= LONGEST else repr(f"{value[: LONGEST - 3]}...")


def _settings(node: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The same form as in plugins/module_utils/kprov_node_settings.py."""
    metadata, taints = node["metadata"], (node.get("spec") or {}).get("taints") or ()
    return {
        "labels": metadata.get("labels") or {},
        "annotations": metadata.get("annotations") or {},
        "taints": {f"{taint['key']}:{taint['effect']}": taint.get("value") or "" for taint in taints},
        "extended_resources": (node.get("status") or {}).get("capacity") or {},
    }
