"""Whether workloads run: everywhere except on nodes that are down."""

from __future__ import annotations

import time

from ansible.module_utils.kprov_kubectl import Kubectl, KubectlError

POLL = 0.3
CLOSER = 3.0  # seconds until a look at each pod and each node, and between two: on a large cluster these lists are long
WORKLOADS = ("DaemonSet", "Deployment")
LOG_LINES = 5


def wait_rollout(kubectl: Kubectl, objects: list[dict], deadline: float) -> None:
    """Wait until every DaemonSet and Deployment of objects runs; KubectlError with states, events and logs if not."""
    end = time.monotonic() + deadline
    for item in objects:
        if item["kind"] not in WORKLOADS:
            continue
        kind, namespace, name = item["kind"].lower(), item["metadata"]["namespace"], item["metadata"]["name"]
        closer = min(time.monotonic() + CLOSER, end)
        while True:
            workload = kubectl.json("get", kind, name, "-n", namespace)
            problem = unfinished(workload)
            if problem and time.monotonic() >= closer:
                pods = kubectl.json("get", "pods", "-n", namespace, "-l", selector(workload))["items"]
                problem = problem_of(workload, pods, kubectl.json("get", "nodes")["items"])
                if problem and time.monotonic() >= end:
                    details = _details(kubectl, namespace, pods)
                    raise KubectlError(f"{kind} {name} does not run within {deadline:g} s: {problem}{details}")
                closer = min(time.monotonic() + CLOSER, end)
            if not problem:
                break
            time.sleep(POLL)


def wait_nodes(kubectl: Kubectl, deadline: float) -> None:
    """Wait until every node that is not down is Ready."""
    end = time.monotonic() + deadline
    while True:
        conditions = {n["metadata"]["name"]: ready(n) for n in kubectl.json("get", "nodes")["items"] if is_up(n)}
        late = [f"{name} ({c.get('message')})" for name, c in sorted(conditions.items()) if c.get("status") != "True"]
        if not late:
            return
        if time.monotonic() >= end:
            raise KubectlError(f"not Ready within {deadline:g} s: {', '.join(late)}")
        time.sleep(POLL)


def ready(node: dict) -> dict:
    """The Ready condition of a node."""
    conditions = node.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def is_up(node: dict) -> bool:
    """Whether a node's kubelet reports: NotReady for want of a network is up, Unknown is down."""
    return ready(node).get("status") in ("True", "False")


def unfinished(workload: dict) -> str | None:
    """Why a workload does not run as wanted, by its own status alone."""
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "the controller has not seen it yet"
    if workload["kind"] == "Deployment":
        want, updated, available = workload["spec"].get("replicas", 1), "updatedReplicas", "availableReplicas"
    else:
        want, updated, available = status.get("desiredNumberScheduled", 0), "updatedNumberScheduled", "numberAvailable"
        if not want:
            return "no node has a pod of it yet"
    if status.get(updated, 0) < want:
        return f"{status.get(updated, 0)} of {want} pods are of the new version"
    if status.get(available, 0) < want:
        return f"{status.get(available, 0)} of {want} pods run"
    return None


def problem_of(workload: dict, pods: list[dict], nodes: list[dict]) -> str | None:
    """The same, but pods of a DaemonSet on nodes that are down do not count."""
    problem = unfinished(workload)
    status = workload.get("status", {})
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    want = status.get("desiredNumberScheduled", 0)
    if not problem or workload["kind"] != "DaemonSet" or not seen or not want:
        return problem
    up = {node["metadata"]["name"] for node in nodes if is_up(node)}
    living = [pod for pod in pods if pod["spec"].get("nodeName") in up]
    down = sum(not is_up(node) for node in nodes)
    late = [pod for pod in living if not _runs(pod)]
    if down and not late and len(living) >= want - down and status.get("updatedNumberScheduled", 0) >= want - down:
        return None
    return problem


def selector(workload: dict) -> str:
    """The label selector of a workload, as kubectl takes it."""
    return ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"]["matchLabels"].items())


def _runs(pod: dict) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _details(kubectl: Kubectl, namespace: str, pods: list[dict]) -> str:
    """States of the pods that do not run; events and log of the first of them."""
    late = [pod for pod in pods if not _runs(pod)]
    lines = [_state(pod) for pod in late[:5]]
    if late:
        name = late[0]["metadata"]["name"]
        field = f"involvedObject.name={name}"
        columns = "custom-columns=R:.reason,M:.message"
        events = ("get", "events", "-n", namespace, "--field-selector", field, "--no-headers", "-o", columns)
        logs = ("logs", "-n", namespace, name, "--all-containers", "--tail", str(LOG_LINES), "--request-timeout=10s")
        for command in (events, logs):
            try:
                lines += kubectl.run(*command).strip().splitlines()[-LOG_LINES:]
            except KubectlError as error:
                lines.append(str(error))
    return "".join(f"\n  {line}" for line in lines)


def _state(pod: dict) -> str:
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    reasons = []
    for container in containers:
        for state in (container.get("state") or {}).values():
            if state and state.get("reason"):
                reasons.append(f"{container['name']}: {state['reason']} {state.get('message', '')}".strip())
    where = pod["spec"].get("nodeName", "no node")
    return f"pod {pod['metadata']['name']} on {where}: {status.get('phase')} {'; '.join(reasons)}".strip()
