"""The objects that verify creates in its namespace.

Two DaemonSets tolerate every taint: `probe` asks (agnhost netexec, whose /dial makes requests from the pod), `target`
answers with its node's name and enough bytes to fill several packets. `friend` is the pod that the policy lets in.
Nothing has a token, a capability or root; netexec, which can run commands, is behind no Service.
"""

from __future__ import annotations

from typing import Any

LABELS = {"app.kubernetes.io/managed-by": "kprov", "app.kubernetes.io/name": "kprov-verify"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
OWNER = "kprov.io/owner"  # annotation of the namespace: controller and process that made it
PORT = 8080
SERVICE, HEADLESS, SERVICE_PORT = "target", "target-pods", 80
FULL_PACKETS = 4000  # bytes: more than two packets, so that a wrong MTU shows

Object = dict[str, Any]


def objects(namespace: str, image: str, owner: str) -> list[Object]:
    """Everything but the NetworkPolicy, in the order of creation."""
    probe = _container(image, ["netexec", f"--http-port={PORT}", "--udp-port=-1"])
    answer = [
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": f"SERVE_PORT_{PORT}", "value": f"$(NODE) {'.' * FULL_PACKETS}"},
    ]
    return [
        _namespace(namespace, owner),
        {**_object("ServiceAccount", "verify", namespace), "automountServiceAccountToken": False},
        _service(SERVICE, namespace, {"type": "NodePort"}, SERVICE_PORT),
        _service(HEADLESS, namespace, {"clusterIP": "None"}, PORT),
        _daemon_set("target", namespace, {**_container(image, ["porter"]), "env": answer}),
        _daemon_set("probe", namespace, probe),
        {**_object("Pod", "friend", namespace, {"app": "friend"}), "spec": _pod(probe)},
    ]


def policy(namespace: str) -> Object:
    """Nobody may connect to the targets but the friend."""
    return {
        **_object("NetworkPolicy", "friends-only", namespace, version="networking.k8s.io/v1"),
        "spec": {
            "podSelector": {"matchLabels": {"app": "target"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
        },
    }


def _namespace(name: str, owner: str) -> Object:
    labels = {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels, "annotations": {OWNER: owner}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _object(kind: str, name: str, namespace: str, labels: dict[str, str] | None = None, version: str = "v1") -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {**LABELS, **(labels or {})}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _service(name: str, namespace: str, spec: Object, port: int) -> Object:
    ports = [{"port": port, "targetPort": PORT, "protocol": "TCP"}]
    return {**_object("Service", name, namespace), "spec": {**spec, "selector": {"app": "target"}, "ports": ports}}


def _daemon_set(name: str, namespace: str, container: Object) -> Object:
    labels = {"app": name}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": {**LABELS, **labels}}, "spec": _pod(container)},
    }
    return {**_object("DaemonSet", name, namespace, version="apps/v1"), "spec": spec}


def _pod(container: Object) -> Object:
    return {
        "serviceAccountName": "verify",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        # The API then forgets the pods at once, also those of a node that does not answer.
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }


def _container(image: str, arguments: list[str]) -> Object:
    return {
        "name": "agnhost",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60},
    }
