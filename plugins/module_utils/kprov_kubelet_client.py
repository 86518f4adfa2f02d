"""How a node's kubelet logs in: kubelet.conf, and the certificate that it names and the kubelet replaces by itself."""

from __future__ import annotations

import re
import subprocess

from ansible.module_utils.kprov_certificate import from_pem
from ansible.module_utils.kprov_kubeadm_run import StepError

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
# Measured: 1.5 s from the restart to the new certificate. A kubelet that starts on a busy node takes longer.
DEADLINE = 90.0


def following(kubeconfig: str) -> str:
    """A kubeconfig with a certificate in it, changed so that it names the one that the kubelet replaces by itself."""
    for name in ("client-certificate", "client-key"):
        kubeconfig = re.sub(rf"^(\s*){name}-data:.*$", rf"\1{name}: {CLIENT}", kubeconfig, flags=re.MULTILINE)
    return kubeconfig


def server(kubeconfig: str) -> str:
    """URL of the API server in a kubeconfig. Raises StepError."""
    found = re.search(r"^\s*server:\s*[\"']?(\S+?)[\"']?\s*$", kubeconfig, re.MULTILINE)
    if not found:
        raise StepError("a kubeconfig that names no API server")
    return found.group(1)


def common_name(pem: str) -> str:
    """system:node:NAME. It is text in the certificate's subject, whatever else is there. Raises StepError."""
    found = re.search(rb"system:node:[a-z0-9.-]+", from_pem(pem).subject)
    if not found:
        raise StepError("the kubelet's certificate names no system:node:NAME")
    return found.group().decode()


def restart() -> None:
    """A kubelet that crashed too often is started, too."""
    for arguments in (["reset-failed", "kubelet.service"], ["restart", "kubelet.service"]):
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode != 0:
        raise StepError(f"systemctl restart kubelet: {done.stderr.strip()}")
