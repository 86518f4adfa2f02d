"""The namespace of a run: its name, leftovers of earlier runs, its end."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kprov.errors import ConnectError, Problem
from kprov.verify.kubectl import Kubectl, last_line
from kprov.verify.objects import OWNER, SELECTOR, Object

PREFIX = "kprov-verify-"
OTHERS_SECONDS = 900  # a namespace of another controller is a leftover when it is older: no run takes that long
DELETE_SECONDS = 30


def new_name() -> str:
    """kprov-verify-<random>."""
    return PREFIX + secrets.token_hex(3)


def leftovers(namespaces: Sequence[dict[str, Any]], controller: str, alone: bool) -> list[str]:
    """Names of namespaces that an earlier run left.

    namespaces: those with verify's labels. alone: no other verify of this controller runs on this cluster, so
    whatever it owns there is dead. Namespaces of other controllers get time to finish.
    """
    found = []
    for item in namespaces:
        metadata = item["metadata"]
        own = metadata.get("annotations", {}).get(OWNER) == controller
        age = time.time() - datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
        if not metadata.get("deletionTimestamp") and ((own and alone) or age > OTHERS_SECONDS):
            found.append(metadata["name"])
    return found


def existing(kubectl: Kubectl) -> list[dict[str, Any]]:
    """All namespaces that verify made."""
    return kubectl.objects("namespaces", "-l", SELECTOR)


def forget(kubectl: Kubectl, names: Sequence[str]) -> None:
    """Start the deletion of leftovers; it need not have ended before a new run begins."""
    kubectl.call("delete", "namespace", *names, "--ignore-not-found", "--wait=false")


def create(kubectl: Kubectl, items: Sequence[Object]) -> None:
    """Create objects in this order. CheckError with what the API server said."""
    bundle = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    kubectl.call("create", "--validate=false", "-f", "-", stdin=json.dumps(bundle), seconds=30)


def remove(kubectl: Kubectl, name: str) -> Problem | None:
    """Delete a run's namespace and wait until it is gone; a warning when it is not, never an exception."""
    what = ("delete", "namespace", name, "--ignore-not-found", f"--timeout={DELETE_SECONDS}s")
    try:
        done = kubectl.run(*what, seconds=DELETE_SECONDS + 5)
        if done.exit_code == 0:
            return None
        said = last_line(done)
    except ConnectError as error:
        said = error.message
    return Problem(
        "warning",
        "namespace-left",
        f"the namespace {name} is not gone: {said}",
        host=kubectl.host.name,
        hint=f"`kubectl get namespace {name} -o yaml` says what it waits for; the next `kprov verify` removes it",
    )
