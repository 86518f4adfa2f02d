"""Waiting on a node, with deadlines: for the kubelet, the control plane's components, the Node object."""

from __future__ import annotations

import datetime
import os
import re
import ssl
import time
import urllib.error
import urllib.request

from ansible.module_utils.kprov_containers import Containers
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeadm_steps import COMPONENTS, KUBELET_CONF, PKI, manifest_path
from ansible.module_utils.kprov_paths import real

POLL = 0.2
KUBELET_HEALTH = "http://127.0.0.1:10248/healthz"
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def wait(what: str, deadline: float, check) -> None:
    """Call check() until it returns None; StepError ("what within N s: last answer") when the deadline has passed."""
    end = time.monotonic() + deadline
    while True:
        problem = check()
        if problem is None:
            return
        if time.monotonic() >= end:
            raise StepError(f"{what} within {deadline:g} s: {problem}")
        time.sleep(POLL)


def kubelet_healthy() -> str | None:
    """None when the kubelet on this node answers."""
    problem = responds(KUBELET_HEALTH)
    return problem and f"{problem}; look at `journalctl -u kubelet`"


def kubelet_has_identity() -> str | None:
    """None when the kubelet has its own certificate and answers."""
    if not os.path.exists(real(KUBELET_CONF)):
        return f"the kubelet has not written {KUBELET_CONF}; look at `journalctl -u kubelet`"
    return kubelet_healthy()


def control_plane_healthy(address: str, port: int, containers: Containers, known: dict[str, str]) -> str | None:
    """None when every static pod of this node runs with its current manifest and answers.

    known: component to a container that counts although its manifest is newer, because it was put back.
    """
    return _static_pods_current(containers, known) or answers(address, port)


def api_ready(address: str, port: int) -> str | None:
    """None when the API server of this node is ready."""
    return responds(f"https://{address}:{port}/readyz", cafile=real(PKI + "/ca.crt"))


def node_registered(name: str) -> bool | None:
    """Whether the Node object exists, asked with the kubelet's own identity; None when the API gives no answer.

    Raises StepError when the API server belongs to another cluster than this node.
    """
    with open(real(KUBELET_CONF), encoding="utf-8") as file:
        server = re.search(r"^\s*server:\s*\"?(\S+?)\"?\s*$", file.read(), re.MULTILINE)
    if not server or not os.path.exists(real(KUBELET_CLIENT)):
        return None
    url = f"{server.group(1)}/api/v1/nodes/{name}"
    try:
        context = ssl.create_default_context(cafile=real(PKI + "/ca.crt"))
        context.load_cert_chain(real(KUBELET_CLIENT))
        with _open(url, context):
            return True
    except urllib.error.HTTPError as error:
        return False if error.code == 404 else None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise StepError(
                f"{server.group(1)} is not the API server of the cluster that this node has joined "
                f"({error.reason.verify_message}); if that cluster is gone, reset this node first"
            ) from error
        return None
    except OSError:
        return None


def answers(address: str, port: int) -> str | None:
    """None when the API server, the controller manager and the scheduler of this node say that they are well."""
    urls = {"kube-apiserver": f"https://{address}:{port}/livez"}
    for component, default in (("kube-controller-manager", 10257), ("kube-scheduler", 10259)):
        host, secure_port = _listens(component, default)
        urls[component] = f"https://{host}:{secure_port}/healthz"
    for component, url in urls.items():
        # The latter two serve a certificate of their own making.
        problem = responds(url, cafile=real(PKI + "/ca.crt") if component == "kube-apiserver" else "")
        if problem:
            return f"{component}: {problem}"
    return api_ready(address, port)


def _listens(component: str, port: int) -> tuple[str, int]:
    text = _manifest(component)
    found_port = re.search(r"--secure-port=(\d+)", text)
    found_host = re.search(r"--bind-address=(\S+)", text)
    host = found_host.group(1) if found_host else "127.0.0.1"
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host, int(found_port.group(1)) if found_port else port


def _static_pods_current(containers: Containers, known: dict[str, str]) -> str | None:
    """None when each manifest has a running container that is not older than the manifest, or a known one."""
    try:
        running = containers.running(COMPONENTS)
    except StepError as error:
        return str(error)
    for component in COMPONENTS:
        path = real(manifest_path(component))
        if not os.path.exists(path):
            continue
        written = os.stat(path).st_mtime
        found = running.get(component)
        if not found or (found.created < written and found.id != known.get(component)):
            at = datetime.datetime.fromtimestamp(written, datetime.timezone.utc).strftime("%H:%M:%S UTC")
            return f"no container of {component} runs since its manifest was written at {at}; look at `crictl ps -a`"
    return None


def _manifest(component: str) -> str:
    try:
        with open(real(manifest_path(component)), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def responds(url: str, cafile: str = "") -> str | None:
    """None when the answer is 200. Without cafile the server's certificate is not checked: this node's own ports."""
    try:
        context = None
        if url.startswith("https:"):
            context = ssl.create_default_context(cafile=cafile or None)
            if not cafile:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
        with _open(url, context):
            return None
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except urllib.error.URLError as error:
        return f"{url}: {error.reason}"
    except OSError as error:
        return f"{url}: {error}"


def _open(url: str, context: ssl.SSLContext | None):
    handlers = [urllib.request.ProxyHandler({})]  # the cluster is never behind the node's proxy
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers).open(url, timeout=5)
