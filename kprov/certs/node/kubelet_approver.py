"""Approves the serving certificates that kubelets ask for, on a control plane, with the administrator's kubeconfig.

The node's daily check calls approve(); Ansible's module kprov_kubelet_serving runs main() out of a directory with these
files: a question as JSON on standard input, the answer as JSON on standard output.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
from typing import Any
from urllib.parse import quote

from kprov.certs.node.kubelet_request import PREFIX, SIGNER, refusal
from kprov.remote.node import read
from kprov.remote.node.api import AUTHORITY, ApiError, Client

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
PENDING = f"{PATH}?fieldSelector=spec.signerName%3D{quote(SIGNER, safe='')}"
MESSAGE = "its names and addresses are those of the inventory"
# X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: kubelet.crt holds its own authority.
SELF_SIGNED = (18, 19)
API_SECONDS, HANDSHAKE_SECONDS, POLL = 10.0, 3.0, 0.5
ERRORS = (OSError, ValueError, http.client.HTTPException, ApiError, KeyError, TypeError)


def main() -> None:
    """Question: port, kubelets, wait_for, deadline, dry_run; the answer is that of approve_until."""
    question = json.load(sys.stdin)
    json.dump(approve_until(**question), sys.stdout)


def approve_until(
    port: int, kubelets: dict[str, Any], wait_for: list[str], deadline: float, *, dry_run: bool = False
) -> dict[str, Any]:
    """Approve what may be, until each node of wait_for serves what the cluster's CA signed for its address.

    deadline: seconds. Nodes that are not there, or whose kubelet has stopped to report, are not waited for, nor are
    those whose kubelet serves what it signed itself: it has not been told to ask. Answers approved and left as
    approve(), missing: node to why it serves no such certificate, own: nodes that have not been told, error: why the
    API server did not answer.
    """
    end = time.monotonic() + deadline
    approved: dict[str, str] = {}
    while True:
        answer: dict[str, Any] = {"approved": [], "left": [], "missing": {}, "own": [], "error": None}
        try:
            client = Client(port, API_SECONDS)
            try:
                answer.update(approve(client, kubelets, dry_run=dry_run))
                present = [name for name in wait_for if name in kubelets and _reports(client, name)]
            finally:
                client.close()
            found = {name: unserved(kubelets[name]) for name in present}
            answer["own"] = [name for name, why in found.items() if _own(why)]
            answer["missing"] = {name: str(why) for name, why in found.items() if why and not _own(why)}
        except ERRORS as error:
            answer["error"] = f"https://127.0.0.1:{port}: {error}"
        approved.update({one["request"]: one["node"] for one in answer["approved"]})
        answer["approved"] = [{"request": request, "node": node} for request, node in approved.items()]
        if dry_run or time.monotonic() >= end or not (answer["missing"] or (answer["error"] and wait_for)):
            return answer
        time.sleep(POLL)


def approve(client: Client, kubelets: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """approved: request and node of each that was; left: request, requestor and why of those that stay pending.

    A kubelet that nobody answers asks again with a new key every quarter of an hour: only its last request is of use.
    """
    approved: dict[str, str] = {}
    left = []
    for request in sorted(pending(client), key=lambda one: one["metadata"]["creationTimestamp"], reverse=True):
        name, requestor = request["metadata"]["name"], request["spec"]["username"]
        node = requestor.partition(PREFIX)[2]
        why = refusal(request, kubelets)
        if why:
            left.append({"request": name, "requestor": requestor, "why": why})
        elif node not in approved:
            if not dry_run:
                _approve(client, request)
            approved[node] = name
    return {"approved": [{"request": name, "node": node} for node, name in approved.items()], "left": left}


def pending(client: Client) -> list[dict[str, Any]]:
    """Requests for serving certificates of kubelets that nobody has decided on. Raises what Client.get raises."""
    items = (client.get(PENDING) or {}).get("items") or ()
    return [one for one in items if not (one.get("status") or {}).get("conditions")]


def _approve(client: Client, request: dict[str, Any]) -> None:
    """What was judged is what is approved: the API server refuses it if the object has changed since."""
    condition = {"type": "Approved", "status": "True", "reason": "KprovApproved", "message": MESSAGE}
    decided = {**request, "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    decided["status"] = {**(request.get("status") or {}), "conditions": [condition]}
    client.put(f"{PATH}/{quote(request['metadata']['name'])}/approval", decided)


def _reports(client: Client, name: str) -> bool:
    """Whether the Node is there and its kubelet alive: Ready is Unknown once it has stopped to report."""
    node = client.get(f"/api/v1/nodes/{quote(name)}")
    conditions = ((node or {}).get("status") or {}).get("conditions") or ()
    return node is not None and all(one["status"] != "Unknown" for one in conditions if one["type"] == "Ready")


def unserved(kubelet: dict[str, Any]) -> Exception | None:
    """Why a kubelet does not serve what the cluster's CA signed for its address, as the API server would see it."""
    address, port = kubelet["address"], int(kubelet.get("port") or 10250)
    context = ssl.create_default_context(cafile=read.real(AUTHORITY))
    try:
        with socket.create_connection((address, port), timeout=HANDSHAKE_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=address).close()
    except (OSError, ValueError) as error:
        return error
    return None


def _own(why: Exception | None) -> bool:
    """Whether a kubelet serves a certificate that it signed itself; one that waits for an answer serves none."""
    return isinstance(why, ssl.SSLCertVerificationError) and why.verify_code in SELF_SIGNED
