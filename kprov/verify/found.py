"""What kubectl found, as far as the checks look at it. Pure: JSON in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]

# Reasons of a waiting container that another second of waiting does not mend.
HOPELESS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "CrashLoopBackOff",
    }
)


@dataclass(frozen=True)
class Node:
    """A Node object. why: of a node that is not Ready; address: its InternalIP.

    kubelet, runtime: versions as the node reports them, "v1.36.3" and "containerd://2.3.4".
    """

    name: str
    ready: bool
    why: str
    address: str
    cordoned: bool
    kubelet: str = ""
    runtime: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod. node: where it runs or shall run, "" if nobody knows; why: it is not ready; hopeless: and stays so."""

    name: str
    labels: dict[str, str]
    node: str
    ip: str
    ready: bool
    why: str
    hopeless: bool = False


@dataclass(frozen=True)
class SystemState:
    """The nodes and kube-system. coredns: replicas that its Deployment asks for, None without such a Deployment."""

    nodes: dict[str, Node]
    pods: tuple[Pod, ...]
    coredns: int | None


@dataclass(frozen=True)
class NamespaceState:
    """The test namespace. endpoints: ready ones of the Service; complaints: of controllers that make no pods."""

    pods: tuple[Pod, ...] = ()
    service_ip: str = ""
    node_port: int = 0
    endpoints: int = 0
    complaints: tuple[str, ...] = field(default=())

    def of_app(self, app: str) -> dict[str, Pod]:
        """Pods with this app label by node; those that are being deleted are not among them."""
        return {pod.node: pod for pod in self.pods if pod.labels.get("app") == app}


def system_state(items: Iterable[Item]) -> SystemState:
    """From `kubectl get nodes,pods,deployments -n kube-system`."""
    found = list(items)
    nodes = {node.name: node for node in map(_node, _of_kind(found, "Node"))}
    coredns = [
        d["spec"].get("replicas", 1) for d in _of_kind(found, "Deployment") if d["metadata"]["name"] == "coredns"
    ]
    return SystemState(nodes, pods(found), coredns[0] if coredns else None)


def namespace_state(items: Iterable[Item], service: str) -> NamespaceState:
    """From `kubectl get pods,services,endpointslices,events` of the namespace. service: the name of the NodePort's."""
    found = list(items)
    events = [e for e in _of_kind(found, "Event") if e.get("type") == "Warning"]
    complaints = {e["message"] for e in events if e["involvedObject"]["kind"] == "DaemonSet"}
    services = [s for s in _of_kind(found, "Service") if s["metadata"]["name"] == service]
    spec: Item = services[0]["spec"] if services else {}
    slices = [
        s
        for s in _of_kind(found, "EndpointSlice")
        if s["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
    ]
    ready = [e for s in slices for e in s.get("endpoints") or () if e.get("conditions", {}).get("ready", True)]
    return NamespaceState(
        pods=pods(found, events),
        service_ip=spec.get("clusterIP", ""),
        node_port=spec["ports"][0].get("nodePort", 0) if spec else 0,
        endpoints=len(ready),
        complaints=tuple(sorted(complaints)),
    )


def pods(items: Iterable[Item], events: Sequence[Item] = ()) -> tuple[Pod, ...]:
    """The pods that nobody is deleting. events: warnings that may say why a pod does not start."""
    alive = [p for p in _of_kind(items, "Pod") if not p["metadata"].get("deletionTimestamp")]
    return tuple(_pod(item, events) for item in alive)


def _of_kind(items: Iterable[Item], kind: str) -> list[Item]:
    return [item for item in items if item.get("kind") == kind]


def _node(item: Item) -> Node:
    conditions = {c["type"]: c for c in item["status"].get("conditions", ())}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "the kubelet has never reported"})
    why = f"{ready.get('reason', 'NotReady')}: {ready.get('message', '')}" if ready["status"] != "True" else ""
    addresses = [a["address"] for a in item["status"].get("addresses", ()) if a["type"] == "InternalIP"]
    return Node(
        name=item["metadata"]["name"],
        ready=ready["status"] == "True",
        why=why,
        address=addresses[0] if addresses else "",
        cordoned=bool(item["spec"].get("unschedulable")),
        kubelet=item["status"].get("nodeInfo", {}).get("kubeletVersion", ""),
        runtime=item["status"].get("nodeInfo", {}).get("containerRuntimeVersion", ""),
    )


def _pod(item: Item, events: Sequence[Item]) -> Pod:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    ready = conditions.get("Ready", {}).get("status") == "True" and status.get("phase") == "Running"
    reason, why = ("", "") if ready else _why(metadata["name"], status, conditions, events)
    return Pod(
        name=metadata["name"],
        labels=metadata.get("labels", {}),
        node=spec.get("nodeName") or _meant_for(spec),
        ip=status.get("podIP", ""),
        ready=ready,
        why=why,
        hopeless=reason in HOPELESS,
    )


def _meant_for(spec: Item) -> str:
    """The node that a DaemonSet's pod is pinned to before the scheduler has bound it."""
    affinity = (
        spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    for term in affinity.get("nodeSelectorTerms", ()):
        for match in term.get("matchFields", ()):
            if match["key"] == "metadata.name":
                return str(match["values"][0])
    return ""


def _why(name: str, status: Item, conditions: dict[str, Item], events: Sequence[Item]) -> tuple[str, str]:
    """(reason, sentence): the container's word first, then the scheduler's, then the newest warning about the pod."""
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    reason, message = "", ""
    for container in containers:
        waiting = container.get("state", {}).get("waiting") or container.get("state", {}).get("terminated")
        if waiting and not reason:
            reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if not message:
        about = [e for e in events if e["involvedObject"].get("name") == name]
        message = max(about, key=_when)["message"] if about else ""
    if not reason:
        unscheduled = conditions.get("PodScheduled", {})
        if unscheduled.get("status") == "False":
            reason, message = unscheduled.get("reason", "Unschedulable"), unscheduled.get("message", message)
        elif not containers and not message:
            reason, message = status.get("phase", "Unknown"), "the kubelet has not begun to start it"
        else:
            not_ready = conditions.get("Ready", {})
            reason = not_ready.get("reason") or status.get("phase", "Unknown")
            message = message or not_ready.get("message", "")
    return reason, f"{reason}: {message}" if message else reason


def _when(event: Item) -> str:
    return event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
