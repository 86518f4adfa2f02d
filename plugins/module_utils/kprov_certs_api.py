"""The API server on this node, asked with the identity in a kubeconfig, without kubectl."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
from typing import Callable, Iterable

from ansible.module_utils.kprov_kubeadm_certs import ADMIN_CONF, KUBERNETES, load_identity
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod

SECONDS = 5.0
KUBEADM_CONFIG = KUBERNETES + "/kubeadm.yaml"
# Who may read ConfigMap kubeadm-config (nodes: by kubeadm's Role kubeadm:nodes-kubeadm-config). Any may be damaged.
READERS = (ADMIN_CONF, KUBERNETES + "/super-admin.conf", KUBERNETES + "/kubelet.conf")
JSON = "application/json"
ERRORS = (OSError, ValueError, http.client.HTTPException)
NAME = "kubernetes"  # kubeadm puts it into every API server's certificate


class Api:
    """The API server of a manifest; with an address, that of another control plane, which has the same CA."""

    def __init__(self, pod: StaticPod, address: str = "", port: int = 0) -> None:
        self._ca = pod.flag("client-ca-file") or ""
        bound = pod.flag("bind-address") or "0.0.0.0"
        own = (pod.flag("advertise-address") or "127.0.0.1") if bound in ("0.0.0.0", "::") else bound
        self.address = address or own
        self.port = port or int(pod.flag("secure-port") or 6443)

    def get(self, path: str, kubeconfig: str = ADMIN_CONF) -> dict | str:
        """What is at a path, JSON or else text. Raises StepError for any other answer than 200."""
        status, body = self.ask("GET", path, kubeconfig=kubeconfig)
        if status != 200:
            raise StepError(f"{self._where(path)} with {kubeconfig} answers {status}: {_text(body)[:300]}")
        return body

    def get_as_any(self, path: str, kubeconfigs: Iterable[str]) -> dict | str:
        """What is at a path, asked with one after another until one is answered. Raises StepError: of the first."""
        failed = []
        for kubeconfig in kubeconfigs:
            try:
                return self.get(path, kubeconfig)
            except StepError as error:
                failed.append(error)
        raise failed[0]

    def ask(
        self, method: str, path: str, body: dict | None = None, kubeconfig: str = ADMIN_CONF, content: str = JSON
    ) -> tuple[int, dict | str]:
        """(status, what was answered: JSON or else text). content: the body's type. Raises StepError without answer."""
        text = json.dumps(body) if body else ""
        try:
            status, answer = self.send(method, path, lambda context: load_identity(context, kubeconfig), text, content)
        except ERRORS as error:
            raise StepError(f"{self._where(path)} with {kubeconfig}: {error}") from error
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer

    def send(
        self,
        method: str,
        path: str,
        identify: Callable[[ssl.SSLContext], None],
        body: str = "",
        content: str = JSON,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and body of an answer. identify: puts a client certificate into a context. Raises one of ERRORS."""
        context = ssl.create_default_context(cafile=real(self._ca))
        identify(context)
        plain = socket.create_connection((self.address, self.port), timeout=SECONDS)
        try:
            connection = http.client.HTTPConnection(self.address, self.port, timeout=SECONDS)
            connection.sock = context.wrap_socket(plain, server_hostname=NAME)
            said = {"Accept": JSON, **({"Content-Type": content} if body else {}), **(headers or {})}
            connection.request(method, path, body=body or None, headers=said)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            plain.close()

    def _where(self, path: str) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}{path}"


def _text(body: dict | str) -> str:
    return json.dumps(body) if isinstance(body, dict) else body


def kubeadm_config(pod: StaticPod, given: str, runtime: str, *, recover: bool = False) -> tuple[str, str | None]:
    """(path, None) of kubeadm's configuration on this node, or ("", text) from the cluster. Raises StepError.

    pod: the API server's. given: path that the user names. kubeadm is never left to look for itself: it would fall back
    to its defaults without failing, and so lose certificatesDir, validity and key type. recover: the cluster cannot be
    asked; what matters comes from the manifest then, and the certificates are valid for kubeadm's own year.
    """
    for path in (given, KUBEADM_CONFIG):
        if path and os.path.exists(real(path)):
            with open(real(path), encoding="utf-8") as file:
                if "kind: ClusterConfiguration" in file.read():
                    return path, None
        if path and path == given:
            raise StepError(f"{path} (certs_renew_config) holds no ClusterConfiguration")
    api = Api(pod)
    try:
        cluster = _from_manifest(pod) if recover else _from_cluster(api)
    except (StepError, KeyError, TypeError) as error:
        raise StepError(
            f"kubeadm's configuration of the cluster is neither in {KUBEADM_CONFIG} nor in ConfigMap "
            f"kube-system/kubeadm-config ({error}); name a file on the node in certs_renew_config"
        ) from error
    version = next(line for line in cluster.splitlines() if line.startswith("apiVersion:"))
    return "", (
        f"{cluster.rstrip()}\n---\n{version}\nkind: InitConfiguration\nnodeRegistration:\n  criSocket: {runtime}\n"
        f"localAPIEndpoint:\n  advertiseAddress: {json.dumps(api.address)}\n  bindPort: {api.port}\n"
    )


def _from_cluster(api: Api) -> str:
    path = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
    return api.get_as_any(path, READERS)["data"]["ClusterConfiguration"]


def _from_manifest(pod: StaticPod) -> str:
    """The least that kubeadm needs: where the certificates are, and a version, so that it asks nobody for one."""
    version = re.search(r"kube-apiserver:(v\d+\.\d+\.\d+)", pod.text)
    if not version:
        raise StepError("the API server's manifest says no version")
    return (
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
        f"kubernetesVersion: {version.group(1)}\n"
        f"certificatesDir: {os.path.dirname(pod.flag('client-ca-file') or '/etc/kubernetes/pki/ca.crt')}\n"
    )
