"""Asks the API server on this control plane, over the loopback address, within three seconds for everything."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import ssl
import time
from typing import Any

from kprov.remote.node import node_settings, read

AUTHORITY = "/etc/kubernetes/pki/ca.crt"
# The certificate in it belongs to kubeadm:cluster-admins. (apiserver-kubelet-client, also on every control plane, does
# not since kubeadm 1.36: it may only talk to kubelets.)
ADMIN = "/etc/kubernetes/admin.conf"
DEADLINE = 3.0  # seconds
PLAIN = "application/json"
# Small answers: the columns that `kubectl get nodes` shows (0.2 kB a node instead of 15), and metadata only.
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
RECORDS = "/api/v1/namespaces/kube-system/configmaps?labelSelector=app.kubernetes.io/managed-by%3Dkprov"
PREFIX = "kprov-"  # a record is the ConfigMap kprov-<phase>
SCHEMA = 1


class ApiError(Exception):
    """The API server answered, but not with what was asked for."""


def state(port: int) -> dict[str, Any]:
    """reachable, error, nodes and phases as in kprov.remote.state.ApiState."""
    try:
        client = Client(port, DEADLINE)
        try:
            return {"reachable": True, "error": None, "nodes": nodes(client), "phases": phases(client)}
        finally:
            client.close()
    except (OSError, ValueError, http.client.HTTPException, ApiError, KeyError, TypeError) as error:
        return {"reachable": False, "error": f"https://127.0.0.1:{port}: {type(error).__name__}: {error}"}


class Client:
    """One kept-alive HTTPS connection; the server's certificate must be of the cluster's CA, for "kubernetes"."""

    def __init__(self, port: int, deadline: float) -> None:
        self._end = time.monotonic() + deadline
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(read.real(AUTHORITY))
        _log_in(context, read.text(ADMIN))
        plain = socket.create_connection(("127.0.0.1", port), timeout=self._left())
        self._http = http.client.HTTPConnection("kubernetes")
        try:
            self._http.sock = context.wrap_socket(plain, server_hostname="kubernetes")
        except BaseException:
            plain.close()
            raise

    def get(self, path: str, accept: str = PLAIN) -> dict[str, Any] | None:
        """The object at a path; None if there is none (404). Raises ApiError for any other status, OSError."""
        return self._ask("GET", path, {"Accept": accept})

    def put(self, path: str, value: dict[str, Any]) -> None:
        """Replace the object at a path. Raises ApiError, also when it has changed since it was read, and OSError."""
        if self._ask("PUT", path, {"Content-Type": PLAIN}, json.dumps(value)) is None:
            raise ApiError(f"PUT {path}: there is no such object")

    def _ask(self, verb: str, path: str, headers: dict[str, str], body: str | None = None) -> dict[str, Any] | None:
        self._http.sock.settimeout(self._left())
        self._http.request(verb, path, body, headers)
        response = self._http.getresponse()
        said = response.read()
        if response.status == 404:
            return None
        if response.status != 200:
            raise ApiError(f"{verb} {path}: {response.status} {said[:200].decode(errors='replace')}")
        value = json.loads(said)
        if not isinstance(value, dict):
            raise ApiError(f"{verb} {path}: not an object")
        return value

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no full answer within {DEADLINE:g} s")
        return left


def _log_in(context: ssl.SSLContext, kubeconfig: str) -> None:
    """Use the client certificate in a kubeconfig. Python wants it in a file: one in memory, so that no disk sees it."""
    parts = [_embedded(kubeconfig, "client-certificate"), _embedded(kubeconfig, "client-key")]
    descriptor = os.memfd_create("kprov")
    try:
        os.write(descriptor, b"\n".join(parts))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _embedded(kubeconfig: str, name: str) -> bytes:
    """PEM of an entry: NAME-data in base64, as kubeadm writes it, or NAME with a path."""
    data = re.search(rf"^\s*{name}-data:\s*[\"']?([A-Za-z0-9+/=]+)", kubeconfig, re.MULTILINE)
    if data:
        return base64.b64decode(data.group(1))
    path = re.search(rf"^\s*{name}:\s*[\"']?([^\s\"']+)", kubeconfig, re.MULTILINE)
    if path:
        return read.text(path.group(1)).encode()
    raise ValueError(f"{ADMIN} has no {name}")


def nodes(client: Client) -> dict[str, Any]:
    """Name to ready, kubelet_version and control_plane."""
    table = client.get("/api/v1/nodes?includeObject=None", TABLE) or {}
    columns = [column["name"] for column in table["columnDefinitions"]]
    found = {}
    for row in table.get("rows") or ():
        cells = dict(zip(columns, row["cells"]))  # noqa: B905 (Python 3.9)
        found[cells["Name"]] = {
            "ready": "Ready" in cells["Status"].split(","),
            "kubelet_version": cells["Version"],
            "control_plane": "control-plane" in cells["Roles"].split(","),
        }
    return found


def phases(client: Client) -> dict[str, Any]:
    """Records of cluster phases, compared with the objects they name."""
    found = {}
    for item in (client.get(RECORDS) or {}).get("items") or ():
        name = item["metadata"]["name"]
        if not name.startswith(PREFIX):
            continue
        record = _record(item)
        if record is not None:
            dirty = bool(record.get("dirty"))  # then it runs again anyway
            found[name[len(PREFIX) :]] = {
                "fingerprint": record.get("fingerprint"),
                "finished": record.get("finished"),
                "dirty": dirty,
                "drift": [] if dirty else [*drift(client, record.get("objects") or ()), *_of_nodes(client, record)],
            }
    return found


def _record(config_map: dict[str, Any]) -> dict[str, Any] | None:
    try:
        record = json.loads((config_map.get("data") or {}).get("record") or "")
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def drift(client: Client, objects: Any) -> list[dict[str, str]]:
    """Objects that are not as kprov left them."""
    found = []
    for recorded in objects:
        problem = _compare(recorded, client.get(recorded["path"], METADATA))
        if problem:
            found.append({"what": f"{recorded['kind']} {recorded['name']}", "problem": problem})
    return found


def _of_nodes(client: Client, record: dict[str, Any]) -> list[dict[str, str]]:
    """What Nodes have lost. Whole Nodes are 15 kB each: they are asked for only if kprov has set something on one."""
    recorded = record.get("nodes")
    if not recorded:
        return []
    return node_settings.drift(recorded, (client.get("/api/v1/nodes") or {}).get("items") or [])


def _compare(recorded: dict[str, Any], live: dict[str, Any] | None) -> str | None:
    if live is None:
        return "missing"
    metadata = live["metadata"]
    if metadata.get("uid") != recorded.get("uid"):
        return "replaced"
    if recorded.get("generation") is not None:
        same = metadata.get("generation") == recorded["generation"]
    else:
        same = metadata.get("resourceVersion") == recorded.get("resource_version")
    return None if same else "changed"
