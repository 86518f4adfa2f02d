"""What kubeadm and kprov run in kube-system runs, on each host that must have it."""

from __future__ import annotations

from collections.abc import Callable

from kprov.spec.cluster import Host
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.found import Pod
from kprov.verify.world import World

ID = "system-pods"
TITLE = "System pods run and are ready"
HINT = (
    "`kubectl -n kube-system describe pod POD`; of a static pod: `crictl ps -a`, `journalctl -u kubelet` on that host"
)
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# network_plugin -> label of its pods, one per node.
NETWORK = {"kube-router": ("k8s-app", "kube-router")}
DNS = ("k8s-app", "kube-dns")


def judge(world: World) -> Check:
    """A row per host. CoreDNS may run anywhere: that there is none is on the row of the first control plane."""
    rows = [_host_row(world, host) for host in world.spec.hosts]
    good = f"{len(world.system.pods)} pods in kube-system; control planes, kube-proxy, network and CoreDNS ready"
    return from_rows(ID, TITLE, rows, good=good, hint=HINT)


def _host_row(world: World, host: Host) -> Row:
    node = host.name.lower()
    here = [pod for pod in world.system.pods if pod.node == node]
    missing: list[str] = []
    if "kube_control_plane" in host.groups:
        for name in STATIC:
            missing += _complain(here, f"{name}-{node}", _named(f"{name}-{node}"))
    missing += _complain(here, "kube-proxy", _labelled(("k8s-app", "kube-proxy")))
    plugin = NETWORK.get(str(host.variables["network_plugin"]))
    if plugin:
        missing += _complain(here, plugin[1], _labelled(plugin))
    missing += [f"{pod.name}: {pod.why}" for pod in here if _labelled(DNS)(pod) and not pod.ready]
    if host is world.spec.group("kube_control_plane")[0]:
        missing += _dns(world)
    return Row(host.name, not missing, "; ".join(missing))


def _complain(here: list[Pod], name: str, wanted: Callable[[Pod], bool]) -> list[str]:
    """What is wrong with the pods that are wanted here; nothing when one of them is ready."""
    found = [pod for pod in here if wanted(pod)]
    if any(pod.ready for pod in found):
        return []
    return [f"{found[0].name}: {found[0].why}"] if found else [f"{name} is missing"]


def _named(name: str) -> Callable[[Pod], bool]:
    return lambda pod: pod.name == name


def _labelled(label: tuple[str, str]) -> Callable[[Pod], bool]:
    return lambda pod: pod.labels.get(label[0]) == label[1]


def _dns(world: World) -> list[str]:
    found = [pod for pod in world.system.pods if _labelled(DNS)(pod)]
    homeless = [f"{pod.name}: {pod.why}" for pod in found if not pod.node]
    if any(pod.ready for pod in found):
        return homeless
    wanted = world.system.coredns
    if wanted is None:
        return ["no pod of CoreDNS and no Deployment coredns"]
    if not found:
        return [f"no pod of CoreDNS: its Deployment asks for {wanted}"]
    return homeless or ["no pod of CoreDNS is ready"]
