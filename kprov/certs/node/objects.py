"""What only the API knows: who leads, and the CA bundles that it hands out or keeps for webhooks."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterator
from typing import Any

from kprov.certs.node.kubelet_approver import pending
from kprov.remote.node.api import DEADLINE, ApiError, Client

ERRORS = (OSError, ValueError, http.client.HTTPException, ApiError, KeyError, TypeError)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"
LEADERS = ("kube-controller-manager", "kube-scheduler")
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
ROOT_CA = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"


def look(port: int) -> dict[str, Any]:
    """error; or leases: component to holder and renewed (RFC 3339), bundles: kind, name, pem of each, and requests.

    requests: of kubelets for serving certificates, that nobody has decided on: name, created, spec.
    """
    try:
        client = Client(port, DEADLINE)
        try:
            found = {"leases": _leases(client), "bundles": list(_bundles(client)), "requests": _requests(client)}
            return {"error": None, **found}
        finally:
            client.close()
    except ERRORS as error:
        return {"error": f"https://127.0.0.1:{port}: {error}"}


def _requests(client: Client) -> list[dict[str, Any]]:
    wanted = ("username", "groups", "usages", "request")
    return [
        {
            "name": one["metadata"]["name"],
            "created": one["metadata"]["creationTimestamp"],
            "spec": {key: one["spec"].get(key) for key in wanted},
        }
        for one in pending(client)
    ]


def _leases(client: Client) -> dict[str, Any]:
    found = {}
    for name in LEADERS:
        spec = (client.get(LEASES + name) or {}).get("spec") or {}
        if spec.get("renewTime"):
            found[name] = {"holder": spec.get("holderIdentity") or "", "renewed": spec["renewTime"]}
    return found


def _bundles(client: Client) -> Iterator[dict[str, str]]:
    info = (client.get(CLUSTER_INFO) or {}).get("data") or {}
    embedded = re.search(r"certificate-authority-data:\s*(\S+)", info.get("kubeconfig", ""))
    if embedded:
        yield _bundle("ConfigMap", "kube-public/cluster-info", embedded.group(1))
    root = ((client.get(ROOT_CA) or {}).get("data") or {}).get("ca.crt")
    if root:
        yield {"kind": "ConfigMap", "name": "kube-system/kube-root-ca.crt", "pem": root}
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        for item in (client.get(f"{WEBHOOKS}{kind.lower()}s") or {}).get("items") or ():
            configured = [hook.get("clientConfig", {}).get("caBundle") for hook in item.get("webhooks") or ()]
            for bundle in sorted({*configured} - {None, ""}):
                yield _bundle(kind, item["metadata"]["name"], bundle)
    for item in (client.get(API_SERVICES) or {}).get("items") or ():
        if item["spec"].get("caBundle"):
            yield _bundle("APIService", item["metadata"]["name"], item["spec"]["caBundle"])


def _bundle(kind: str, name: str, data: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "pem": base64.b64decode(data).decode(errors="replace")}
