"""Whether a control plane is in a state in which its certificates may be renewed. Reads only."""

from __future__ import annotations

import os

from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, authority, externally_managed, items, present
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_static_pods import pki_directory, pods

CONTROL_PLANES = "/api/v1/nodes?labelSelector=node-role.kubernetes.io%2Fcontrol-plane"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
API_SERVERS = SLICES + "?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"
SPARE = 64 * 1024 * 1024  # bytes beside the snapshot: the archive, logs, the new certificates


def judge(now: float, recover: bool) -> tuple[dict, list[str]]:
    """What was found, and what speaks against a renewal."""
    manifests = pods()
    if "kube-apiserver" not in manifests:
        return {}, ["no static pod kube-apiserver: this is no control plane that kubeadm made"]
    found: dict = {"time": now, "etcd": None, "leads": False}
    problems: list[str] = []
    if not recover:
        try:
            Api(manifests["kube-apiserver"]).get("/readyz")
        except StepError as error:
            problems.append(f"the API server is not ready: {error}")
    if "etcd" in manifests and not recover:
        try:
            found["etcd"] = Etcd(manifests["etcd"]).state()
            found["leads"] = found["etcd"]["id"] == found["etcd"]["leader"]
            problems += etcd_problems(found["etcd"])
        except StepError as error:
            problems.append(str(error))
    authorities, wrong = judge_authorities(manifests, now)
    found.update(authorities)
    problems += wrong
    room = free_bytes(STATE)
    needed = SPARE + (found["etcd"] or {}).get("db_bytes", 0)
    if room < needed:
        problems.append(f"no room for a backup in {STATE}: {room >> 20} MiB are free, {needed >> 20} MiB are needed")
    return found, problems


def judge_cluster(manifests: dict) -> tuple[int, list[str]]:
    """(how many control planes there are, what is wrong with the others), asked from this one alone.

    Every API server that the cluster has published must be ready and every member of etcd healthy, each asked at its
    own address. An API server that died is not published any more after some seconds: then there are fewer than Nodes.
    """
    api = Api(manifests["kube-apiserver"])
    try:
        planes = [node["metadata"]["name"] for node in api.get(CONTROL_PLANES)["items"]]
        servers = [server for each in api.get(API_SERVERS)["items"] for server in _servers(each)]
    except StepError as error:
        return 0, [str(error)]
    problems = []
    if len(servers) < len(planes):
        problems.append(f"{len(planes)} control planes ({', '.join(planes)}), but {len(servers)} API servers answer")
    for address, port in servers:
        try:
            Api(manifests["kube-apiserver"], address, port).get("/readyz")
        except StepError as error:
            problems.append(f"an API server is not ready: {error}")
    if "etcd" in manifests:
        try:
            problems += Etcd(manifests["etcd"]).unwell()
        except StepError as error:
            problems.append(str(error))
    return len(planes), problems


def _servers(endpoint_slice: dict) -> list[tuple[str, int]]:
    """Address and port of each; of several addresses of one endpoint the first is meant."""
    port = endpoint_slice["ports"][0]["port"]
    return [(endpoint["addresses"][0], port) for endpoint in endpoint_slice.get("endpoints") or ()]


def etcd_problems(state: dict) -> list[str]:
    """What is wrong with etcd, as its member on this node sees it."""
    problems = []
    if not state["healthy"]:
        problems.append(f"etcd is not healthy: {state['problem'] or 'no reason given'}")
    if state["leader"] == "0":
        problems.append("etcd has no leader")
    if state["learners"]:
        problems.append(f"etcd has learners: {', '.join(state['learners'])}; promote or remove them first")
    if state["alarms"]:
        problems.append(f"etcd has raised {', '.join(state['alarms'])}")
    return problems


def judge_authorities(manifests: dict, now: float) -> tuple[dict, list[str]]:
    """(external: names that kubeadm cannot renew here, ca_ends: CA to seconds left, what is wrong)."""
    known = items(pki_directory(manifests))
    external, ends, problems = [], {}, []
    try:
        for name in present(known):
            item = known[name]
            if externally_managed(item):
                external.append(name)
                continue
            left = authority(item).not_after - now
            ends[os.path.basename(os.path.dirname(item.ca)) + "/" + os.path.basename(item.ca)] = left
            if left <= 0:
                problems.append(
                    f"the CA {item.ca}.crt has expired: what it signs is not valid;"
                    " docs/how-to/rotate-ca.md says what to do"
                )
    except CertificateProblem as error:
        problems.append(str(error))
    return {"external": external, "ca_ends": ends}, list(dict.fromkeys(problems))


def free_bytes(path: str) -> int:
    """Of the file system that holds a path, or will."""
    while not os.path.exists(real(path)):
        path = os.path.dirname(path)
    found = os.statvfs(real(path))
    return found.f_bavail * found.f_frsize
