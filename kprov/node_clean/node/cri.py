"""What the container runtime says through the CRI, of Kubernetes' containers. crictl prints the CRI's own JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from kprov.remote.node import commands, docker
from kprov.remote.node.runtime import CONTAINERD, CRI_DOCKERD

SOCKETS = {"containerd": CONTAINERD, "docker": CRI_DOCKERD}
SECONDS = 20.0
UID = "io.kubernetes.pod.uid"


def containers(runtime: str, bin_dir: str) -> list[dict[str, Any]]:
    """Every container: {"id", "sandbox", "pod" (uid), "namespace", "pod_name", "name", "attempt", "state", "created"
    (ns, epoch), "images" (every name under which it may mean its image)}."""
    found = []
    for one in _json(runtime, bin_dir, "ps", "-a")["containers"] or ():
        labels, image = one.get("labels") or {}, one.get("image") or {}
        names = (image.get("image"), image.get("userSpecifiedImage"), one.get("imageRef"), one.get("imageId"))
        found.append(
            {
                "id": one["id"],
                "sandbox": one["podSandboxId"],
                "pod": labels.get(UID, ""),
                "namespace": labels.get("io.kubernetes.pod.namespace", ""),
                "pod_name": labels.get("io.kubernetes.pod.name", ""),
                "name": one["metadata"]["name"],
                "attempt": int(one["metadata"].get("attempt") or 0),
                "state": one["state"],
                "created": int(one["createdAt"]),
                "images": sorted({name for name in names if name}),
            }
        )
    return found


def sandboxes(runtime: str, bin_dir: str) -> list[dict[str, Any]]:
    """Every pod sandbox: {"id", "pod" (uid), "namespace", "pod_name", "attempt", "state", "created"}."""
    return [
        {
            "id": one["id"],
            "pod": one["metadata"]["uid"],
            "namespace": one["metadata"]["namespace"],
            "pod_name": one["metadata"]["name"],
            "attempt": int(one["metadata"].get("attempt") or 0),
            "state": one["state"],
            "created": int(one["createdAt"]),
        }
        for one in _json(runtime, bin_dir, "pods")["items"] or ()
    ]


def images(runtime: str, bin_dir: str) -> list[dict[str, Any]]:
    """Every image: {"id", "tags" (full references), "digests", "pinned"}."""
    return [
        {
            "id": one["id"],
            "tags": [docker.full_name(tag) for tag in one.get("repoTags") or () if "<none>" not in tag],
            "digests": list(one.get("repoDigests") or ()),
            "pinned": bool(one.get("pinned")),
        }
        for one in _json(runtime, bin_dir, "images")["images"] or ()
    ]


def root(runtime: str, bin_dir: str) -> str:
    """Where the running runtime keeps images and containers."""
    if runtime == "docker":
        return os.path.normpath(str(docker.get("/info")["DockerRootDir"]))
    return os.path.normpath(str(_json(runtime, bin_dir, "info")["config"]["containerdRootDir"]))


def chains(ids: list[str], bin_dir: str) -> dict[str, str]:
    """Image id to the name of its topmost layer's snapshot (OCI's ChainID), as containerd says it."""
    found = {}
    for one in _inspected(ids, bin_dir):
        chain = (one.get("info") or {}).get("chainID")
        if chain:
            found[one["status"]["id"]] = chain
    if ids and not found:
        raise OSError("crictl inspecti says of no image which layers it has")
    return found


def _inspected(ids: list[str], bin_dir: str) -> list[dict[str, Any]]:
    if not ids:
        return []
    said = _said("containerd", bin_dir, "inspecti", *ids)
    if said is None and len(ids) > 1:  # one of them has gone since: the others all the same
        return [found for one in ids for found in _inspected([one], bin_dir)]
    return _documents(said or "")


def _documents(text: str) -> list[dict[str, Any]]:
    """A list of objects, or one object after another, as crictl's version has it."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found += document if isinstance(document, list) else [document]
        rest = rest[end:].lstrip()
    return found


def _json(runtime: str, bin_dir: str, *arguments: str) -> dict[str, Any]:
    said = _said(runtime, bin_dir, *arguments)
    if said is None:
        raise OSError(f"crictl {' '.join(arguments)} gave no answer within {SECONDS:.0f} s, or failed")
    document: dict[str, Any] = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]  # warnings may stand around it
    return document


def _said(runtime: str, bin_dir: str, verb: str, *arguments: str) -> str | None:
    crictl = commands.find("crictl", bin_dir)
    if crictl is None:
        raise OSError("crictl is not on this node")
    socket = f"unix://{SOCKETS[runtime]}"
    command = [crictl, "--runtime-endpoint", socket, "--image-endpoint", socket, "--timeout", f"{SECONDS:.0f}s"]
    return commands.output([*command, verb, "-o", "json", *arguments], SECONDS)  # options end at the first id
