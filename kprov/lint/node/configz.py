"""What every kubelet runs with, asked through the API server of this control plane, many nodes at once."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kprov.remote.node.api import DEADLINE, ApiError, Client

PARALLEL = 16
ERRORS = (OSError, ValueError, http.client.HTTPException, ApiError, KeyError, TypeError)


def ask(port: int, names: list[str]) -> dict[str, Any]:
    """Name of a Node to {"config", "pod_cidr", "error"}, one of the first and the last being None.

    Raises what the API server or the connection to it said when there is no list of Nodes.
    """
    client = Client(port, DEADLINE)
    try:
        items = (client.get("/api/v1/nodes") or {}).get("items") or []
    finally:
        client.close()
    networks = {item["metadata"]["name"]: item["spec"].get("podCIDR") for item in items}
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        found = pool.map(lambda name: _one(port, name) if name in networks else _none("there is no such Node"), names)
        return {name: {**one, "pod_cidr": networks.get(name)} for name, one in zip(names, found)}  # noqa: B905


def _one(port: int, name: str) -> dict[str, Any]:
    """A kubelet that does not answer costs DEADLINE, and nobody else's time."""
    try:
        client = Client(port, DEADLINE)
        try:
            answer = client.get(f"/api/v1/nodes/{name}/proxy/configz") or {}
        finally:
            client.close()
        return {"config": answer["kubeletconfig"], "error": None}
    except ERRORS as error:
        return _none(f"{type(error).__name__}: {error}")


def _none(why: str) -> dict[str, Any]:
    return {"config": None, "error": why}
