"""Brings renewed certificates into use on a control plane, with the least that has to be restarted.

kube-apiserver and etcd read their files again by themselves; a handshake proves it, and only one that does not gets
restarted. What has a kubeconfig (kube-controller-manager, kube-scheduler, a virtual IP's pod) reads it when it starts.
"""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Sequence

from ansible.module_utils import kprov_certs_served as served
from ansible.module_utils import kprov_kubeadm_wait as waits
from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_containers import containers_of_node
from ansible.module_utils.kprov_kubeadm_certs import Item, embedded, items, text
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeconfig import NODE
from ansible.module_utils.kprov_kubelet_client import KUBELET_CONF, common_name
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod, pki_directory, pods

# The API server looks at its files when the kernel tells it of a change, and every minute in any case
# (staging/src/k8s.io/apiserver/pkg/server/dynamiccertificates).
RELOAD_SECONDS = 75.0
AWAY = "5 to 35 s"  # the API, while one of them restarts: docs/how-to/renew-certificates.md
START_SECONDS = 45.0  # from a container's end to its successor: the kubelet waits 10 s after a second crash
HEALTH_SECONDS = 60.0
LEASE_SECONDS = 60.0  # a leader that stopped without giving up its lease keeps it for 15 s
PORTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"
NODE_SECONDS = 120.0  # a kubelet that was down has the static pods to start first
ADMINISTRATORS = ("admin.conf", "super-admin.conf")
NAMESPACE = "/api/v1/namespaces/kube-system"  # an administrator may see it, nobody else


class Reload:
    """One control plane. may_restart: whether kube-apiserver and etcd may be restarted when they do not reload.

    kubeconfigs: names of files; if any, only what reads these is looked at.
    """

    def __init__(self, bin_dir: str, may_restart: bool, check_mode: bool, kubeconfigs: Sequence[str] = ()) -> None:
        self._pods = pods()
        self._known: dict[str, Item] = items(pki_directory(self._pods))
        self._containers = containers_of_node(bin_dir)
        self._api = Api(self._pods["kube-apiserver"])
        self._may_restart = may_restart
        self._check_mode = check_mode
        self._only = kubeconfigs
        self.changes: list[str] = []
        self.proofs: dict[str, str] = {}

    def run(self) -> None:
        """Bring everything into use, one component at a time. Raises StepError."""
        if not self._only:
            self._servers()
        elif "kubelet.conf" in self._only and not self._check_mode:
            self._kubelet()  # first: it starts the others
        wanted = [item for name, item in self._known.items() if not self._only or name in self._only]
        for pod in self._pods.values():
            for item in wanted:
                if item.kubeconfig and pod.mounts(item.path) and os.path.exists(real(item.path)):
                    self._client(pod, item)
        for item in wanted:
            if item.name in self._only and item.name in ADMINISTRATORS and not self._check_mode:
                self._administrator(item)

    def _servers(self) -> None:
        found = served.endpoints(self._pods)
        failed = served.prove(found, self._known, 0.0 if self._check_mode else RELOAD_SECONDS)
        for component in dict.fromkeys(each.component for each in failed):
            why = "; ".join(text for each, text in failed.items() if each.component == component)
            if self._check_mode:
                self.changes.append(f"{component} restarted")
                continue
            if not self._may_restart:
                raise StepError(
                    f"{component} did not take its renewed certificate within {RELOAD_SECONDS:g} s: {why}. "
                    f"Restarted, it would; the API would be away for {AWAY} meanwhile: allow it with --accept-outage"
                )
            self._restart(component, time.time())
            mine = [each for each in found if each.component == component]
            left = served.prove(mine, self._known, HEALTH_SECONDS)
            if left:
                raise StepError(
                    f"{'; '.join(left.values())}, also after a restart of {component}: "
                    "something else answers there, or it reads other files"
                )
        for each in found:
            self.proofs.setdefault(each.item, "")
            self.proofs[each.item] += f"{', ' if self.proofs[each.item] else 'served at '}{each.host}:{each.port}"

    def _kubelet(self) -> None:
        """It is well, and renews its node's Lease with what is in kubelet.conf."""
        waits.wait("the kubelet was not healthy", HEALTH_SECONDS, waits.kubelet_healthy)
        node = common_name(embedded(text(KUBELET_CONF), "client-certificate").decode())[len(NODE) :]
        written = os.stat(real(KUBELET_CONF)).st_mtime
        lease = NODE_LEASES + node
        waits.wait(
            f"the kubelet does not renew Lease {node}",
            NODE_SECONDS,
            lambda: self._renewed(lease, KUBELET_CONF, written),
        )
        self.proofs["kubelet.conf"] = f"the kubelet has renewed Lease {node} since it was written"

    def _administrator(self, item: Item) -> None:
        """Only people read it: the API server lets them in. Where none answers, the file is all that is proven."""
        try:
            status, said = self._api.ask("GET", NAMESPACE, kubeconfig=item.path)
        except StepError:
            status, said = 0, ""
        if status in (401, 403):
            raise StepError(f"the API server answers {status} to {item.path}: {said}")
        self.proofs[item.name] = "the API server lets it in" if status == 200 else "no API server answers: on disk only"

    def _client(self, pod: StaticPod, item: Item) -> None:
        """Restart a pod whose container is older than its kubeconfig."""
        written = os.stat(real(item.path)).st_mtime
        container = self._containers.running((pod.name,)).get(pod.name)
        if not (container and container.created > written):
            if self._check_mode:
                self.changes.append(f"{pod.name} restarted")
                return
            self._restart(pod.name, written)
        if pod.name in PORTS and not self._check_mode:
            self._working(pod, item)
        self.proofs[item.name] = f"{pod.name} started after it was written"

    def _restart(self, name: str, since: float) -> None:
        started = time.monotonic()
        how = self._containers.restart(name, since, START_SECONDS)
        self.changes.append(f"{name}: {how} in {time.monotonic() - started:.1f} s")

    def _working(self, pod: StaticPod, item: Item) -> None:
        host = pod.flag("bind-address") or "127.0.0.1"
        host = "127.0.0.1" if host in served.ANY_ADDRESS else host
        url = f"https://{host}:{pod.flag('secure-port') or PORTS[pod.name]}/healthz"
        container = self._containers.last(pod.name)
        try:
            waits.wait(f"{pod.name} was not healthy", HEALTH_SECONDS, lambda: waits.responds(url))
            if pod.flag("leader-elect") != "false" and container:
                since = container.created
                lease = LEASES + pod.name
                renewed = lambda: self._renewed(lease, item.path, since)  # noqa: E731
                waits.wait(f"nobody leads as {pod.name}", LEASE_SECONDS, renewed)
        except StepError as error:
            raise StepError(f"{error}; {self._containers.last_words(pod.name)}") from error

    def _renewed(self, path: str, kubeconfig: str, since: float) -> str | None:
        """None when this or another replica has renewed the lease since. Asked with the component's own identity."""
        try:
            lease = self._api.get(path, kubeconfig)
        except StepError as error:
            return str(error)
        renewed = str(lease.get("spec", {}).get("renewTime") or "") if isinstance(lease, dict) else ""
        try:
            at = calendar.timegm(time.strptime(renewed[:19], "%Y-%m-%dT%H:%M:%S"))
        except ValueError:
            return "the lease has no renewTime"
        return None if at > since else f"the lease was renewed last at {renewed}"
