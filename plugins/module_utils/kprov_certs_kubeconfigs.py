"""kubeconfigs of a control plane made anew by kubeadm: beside the old ones, verified there, then put in their place."""

from __future__ import annotations

import os
import stat
import time

from ansible.module_utils import kprov_fs, kprov_kubelet_client
from ansible.module_utils.kprov_certificate import PEM, from_pem, rfc3339
from ansible.module_utils.kprov_certs_api import Api, kubeadm_config
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import KUBERNETES, embedded, text
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_directory, private_file
from ansible.module_utils.kprov_kubeadm_wait import responds
from ansible.module_utils.kprov_kubeconfig import IDENTITIES, NODE, problem
from ansible.module_utils.kprov_kubelet_client import CLIENT, following
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import pki_directory, pods

KUBEADM_SECONDS = 60.0
PRIVATE, OTHERS = 0o600, 0o007
UNKNOWN = "new certificates are valid for kubeadm's own year, and files that were missing lead to this API server alone"
# Who may list Nodes. A kubelet may not.
LISTERS = tuple(f"{KUBERNETES}/{name}" for name in IDENTITIES if name != "kubelet.conf")


class Rebuild:
    """This node's. check_mode: only say what would be rebuilt.

    parameters: files (name below /etc/kubernetes to why it is rebuilt even if it looks right here; empty: it is not),
    node_name (if the cluster does not say), config, bin_dir.
    """

    def __init__(self, parameters: dict, lock: int | None, check_mode: bool) -> None:
        unknown = [name for name in parameters["files"] if name not in IDENTITIES]
        if unknown:
            raise StepError(f"kubeadm makes no {', '.join(unknown)}; it makes {', '.join(IDENTITIES)}")
        manifests = pods()
        if "kube-apiserver" not in manifests:
            raise StepError("no static pod kube-apiserver: this is no control plane that kubeadm made")
        self._pod = manifests["kube-apiserver"]
        self._api = Api(self._pod)
        self._ca = f"{pki_directory(manifests)}/ca"
        self._parameters = parameters
        self._lock = lock
        self._check_mode = check_mode
        self._warnings: list[str] = []

    def run(self) -> dict:
        """The module's result. Raises StepError, OSError, ValueError: nothing was changed then."""
        authorities = text(self._ca + ".crt")
        told = self._parameters["files"]
        wrong = {name: why for name in told if (why := self._wrong(name, authorities) or told[name])}
        changes = [f"rebuilt {name}: {why}" for name, why in wrong.items()]
        result: dict = {"changed": bool(wrong), "changes": changes, "warnings": self._warnings, "rebuilt": {}}
        if wrong:
            self._may_sign(authorities)
        if not wrong or self._check_mode:
            return result
        node = self._node_name(authorities) if "kubelet.conf" in wrong else ""
        made = {name: self._make(name, authorities, node) for name in wrong}
        for name, content in made.items():
            result["rebuilt"][name] = from_pem(embedded(content, "client-certificate").decode()).summary()
            final = self._kubelet_follows(content, authorities, node) if name == "kubelet.conf" else content
            kprov_fs.atomic_write(real(f"{KUBERNETES}/{name}"), final.encode(), PRIVATE)
        if "kubelet.conf" in made:
            # One that is killed before this is no worse off: it reads the file when it starts the next time.
            kprov_kubelet_client.restart()
        return result

    def _wrong(self, name: str, authorities: str) -> str | None:
        path = f"{KUBERNETES}/{name}"
        if os.path.isdir(real(path)):  # what a container runtime makes of a file to mount that is not there
            raise StepError(f"{path} is a directory: look at what is in it, then remove it")
        try:
            content, shared = text(path), _shared(path)
        except FileNotFoundError:
            return "it is missing"
        except (OSError, ValueError) as error:
            return f"it cannot be read: {error}"
        if shared:
            return "every user of the node can read it"
        return problem(name, content, authorities)

    def _may_sign(self, authorities: str) -> None:
        if not os.path.exists(real(self._ca + ".key")):
            raise StepError(
                f"{self._ca}.key is not on this node, so nothing new can be signed here: docs/how-to/external-ca.md"
            )
        ends = from_pem(authorities).not_after
        if ends <= time.time():
            raise StepError(f"the CA {self._ca}.crt ended at {rfc3339(ends)}: docs/how-to/rotate-ca.md says what to do")

    def _make(self, name: str, authorities: str, node: str) -> str:
        """A new one, in a directory of its own in memory: kubeadm keeps a file that is there, whatever is in it."""
        phase = name[: -len(".conf")]
        command = ["init", "phase", "kubeconfig", phase] + (["--node-name", node] if phase == "kubelet" else [])
        kubeadm = find_program("kubeadm", self._parameters["bin_dir"])
        runner = Runner("certs_renew", os.path.dirname(kubeadm), [], self._lock)
        with private_file("kubeadm.yaml", self._configuration()) as config, private_directory() as directory:
            runner.kubeadm([*command, "--config", config, "--kubeconfig-dir", directory], KUBEADM_SECONDS)
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                made = self._reachable(name, file.read(), authorities)
        wrong = problem(name, made, authorities, node)
        if wrong:
            raise StepError(f"kubeadm {' '.join(command)}: the new {name} is not used, {wrong}. Nothing was changed")
        ends = [from_pem(each).not_after for each in (authorities, embedded(made, "client-certificate").decode())]
        if ends[1] > ends[0]:
            self._warnings.append(f"{name} ends after its CA, which ends at {rfc3339(ends[0])}: rotate that before")
        return made

    def _configuration(self) -> str:
        """kubeadm's; with the API dead and no file of kprov's, the least that it needs."""
        given, endpoint = self._parameters["config"], runtime_endpoint()
        try:
            path, content = kubeadm_config(self._pod, given, endpoint)
        except StepError as error:
            path, content = kubeadm_config(self._pod, given, endpoint, recover=True)
            warning = f"{UNKNOWN}: {error}"
            self._warnings += [warning] if warning not in self._warnings else []
        return text(path) if content is None else content

    def _reachable(self, name: str, made: str, authorities: str) -> str:
        """With the address that the old file has: somebody may have put a load balancer there.

        Unless the old one was for another cluster, or nobody of this one answers there, and somebody does at kubeadm's.
        """
        new, old = kprov_kubelet_client.server(made), self._old_server(name, authorities)
        if old in (None, new):
            return made
        if self._answers(old) or not self._answers(new):
            return made.replace(f"server: {new}", f"server: {old}")
        self._warnings.append(f"{name} led to {old}, where no API server of this cluster answers; now to {new}")
        return made

    def _old_server(self, name: str, authorities: str) -> str | None:
        try:
            content = text(f"{KUBERNETES}/{name}")
            trusted = {*PEM.findall(embedded(content, "certificate-authority").decode())}
            return kprov_kubelet_client.server(content) if trusted & {*PEM.findall(authorities)} else None
        except (OSError, ValueError, StepError):
            return None

    def _answers(self, url: str) -> bool:
        """Whether somebody with a certificate of the cluster's CA for that name answers, whatever they say."""
        said = responds(f"{url}/livez", cafile=real(self._ca + ".crt"))
        return said is None or said.startswith(f"{url}/livez answers ")

    def _node_name(self, authorities: str) -> str:
        """What the cluster calls this node: by its address, its kubelet's certificate, else the inventory."""
        try:
            nodes = self._api.get_as_any("/api/v1/nodes", LISTERS)["items"]
        except StepError:
            nodes = []
        named = {
            node["metadata"]["name"]: [each.get("address") for each in node["status"].get("addresses") or ()]
            for node in nodes
        }
        mine = [name for name, addresses in named.items() if self._api.address in addresses]
        if len(mine) == 1:
            return mine[0]
        name = self._certified_name(authorities) or self._parameters["node_name"]
        if not name or (named and name not in named):
            there = f"; its Nodes are {', '.join(named)}" if named else ", and it does not answer"
            raise StepError(f"the cluster has no Node with {self._api.address}, nor one called {name or '?'}{there}")
        return name

    def _certified_name(self, authorities: str) -> str | None:
        """By the certificate of the kubelet, if the cluster has signed it, ended or not."""
        try:
            content = text(CLIENT)
            issued = from_pem(content).issuer == from_pem(authorities).subject
            return kprov_kubelet_client.common_name(content)[len(NODE) :] if issued else None
        except (OSError, ValueError, StepError):
            return None

    def _kubelet_follows(self, made: str, authorities: str, node: str) -> str:
        """kubelet.conf that names the certificate that the kubelet replaces by itself; the new one, if it has none."""
        follows = following(made)
        if problem("kubelet.conf", follows, authorities, node) is None and not _shared(CLIENT):
            return follows
        dated = time.strftime("kubelet-client-%Y-%m-%d-%H-%M-%S.pem")  # as the kubelet calls them
        directory = os.path.dirname(CLIENT)
        kprov_fs.make_directories(real(directory))
        pair = embedded(made, "client-certificate") + embedded(made, "client-key")
        kprov_fs.atomic_write(real(f"{directory}/{dated}"), pair, PRIVATE)
        beside = real(f"{directory}/.kprov-{dated}")
        os.symlink(dated, beside)
        os.rename(beside, real(CLIENT))
        kprov_fs.sync_directory(real(directory))
        return follows


def _shared(path: str) -> bool:
    """Whether every user of the node can get at a file with a private key."""
    return bool(stat.S_IMODE(os.stat(real(path)).st_mode) & OTHERS)
