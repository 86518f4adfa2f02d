"""kubeadm's kubeconfigs on a control plane: whose each is, and whether what is in one can be used as that."""

from __future__ import annotations

import re

from ansible.module_utils.kprov_certificate import (
    COMMON_NAME,
    ORGANIZATION,
    PEM,
    Certificate,
    from_pem,
    subject_values,
)
from ansible.module_utils.kprov_kubeadm_certs import embedded
from ansible.module_utils.kprov_x509 import client_problem

NODE = "system:node:"
# Common name, and the groups of which it has one ("": none), as kprov/certs/node/known.py has them.
IDENTITIES = {
    "admin.conf": ("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters")),
    "super-admin.conf": ("kubernetes-super-admin", ("system:masters",)),
    "controller-manager.conf": ("system:kube-controller-manager", ("",)),
    "scheduler.conf": ("system:kube-scheduler", ("",)),
    "kubelet.conf": (NODE, ("system:nodes",)),
}
KIND = re.compile(r"^[\s{]*[\"']?kind[\"']?:\s*[\"']?Config\b", re.MULTILINE)


def problem(name: str, content: str, authorities: str, node: str = "") -> str | None:
    """Why nobody can log in with a kubeconfig as the user of that name's file; None: the cluster lets it in as that.

    authorities: the cluster's CA, PEM; while it is being rotated, both. node: the Node's name, if it is known.
    """
    if not KIND.search(content):
        return "it is no kubeconfig"
    try:
        trusted = {*PEM.findall(embedded(content, "certificate-authority").decode())}
        pair = embedded(content, "client-certificate"), embedded(content, "client-key")
        certificate = from_pem(pair[0].decode())
    except (OSError, ValueError) as error:
        return f"it cannot be read: {error}"
    if not trusted & {*PEM.findall(authorities)}:
        return "it trusts another CA than this cluster's"
    return _stranger(name, certificate, node) or client_problem(*pair, authorities)


def _stranger(name: str, certificate: Certificate, node: str) -> str | None:
    """Whom else it logs in as."""
    who, groups = IDENTITIES[name]
    names = subject_values(certificate, COMMON_NAME)
    own = subject_values(certificate, ORGANIZATION)
    if who == NODE and not node:
        right = len(names) == 1 and names[0].startswith(NODE)
    else:
        right = names == [who + node if who == NODE else who]
    if right and (bool({*own} & {*groups}) if own else "" in groups):
        return None
    return f"it logs in as {', '.join(names) or 'nobody'}" + (f" in {', '.join(own)}" if own else "")
