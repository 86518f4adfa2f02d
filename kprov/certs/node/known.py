"""Which file is which certificate: kubeadm's names, found by the flags of what runs, else by kubeadm's paths.

Source: kubeadm's cmd/kubeadm/app/phases/certs/certlist.go and its constants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kprov.remote.node.processes import flag


@dataclass(frozen=True)
class Known:
    """authority: name of the certificate that signs it; None for the authorities themselves.

    by: component and flag that name its file; path: kubeadm's, below its directory of certificates.
    """

    name: str
    authority: str | None
    by: tuple[tuple[str, str], ...]
    path: str


API, ETCD, MANAGER = "kube-apiserver", "etcd", "kube-controller-manager"

# Leaves first: a flag that names an authority may name a leaf's file where somebody built their own.
KNOWN: Sequence[Known] = (
    Known("apiserver", "ca", ((API, "tls-cert-file"),), "apiserver.crt"),
    Known("apiserver-kubelet-client", "ca", ((API, "kubelet-client-certificate"),), "apiserver-kubelet-client.crt"),
    Known("apiserver-etcd-client", "etcd-ca", ((API, "etcd-certfile"),), "apiserver-etcd-client.crt"),
    Known("front-proxy-client", "front-proxy-ca", ((API, "proxy-client-cert-file"),), "front-proxy-client.crt"),
    Known("etcd-server", "etcd-ca", ((ETCD, "cert-file"),), "etcd/server.crt"),
    Known("etcd-peer", "etcd-ca", ((ETCD, "peer-cert-file"),), "etcd/peer.crt"),
    Known("etcd-healthcheck-client", "etcd-ca", (), "etcd/healthcheck-client.crt"),
    Known("ca", None, ((API, "client-ca-file"), (MANAGER, "cluster-signing-cert-file")), "ca.crt"),
    Known("etcd-ca", None, ((ETCD, "trusted-ca-file"), (API, "etcd-cafile")), "etcd/ca.crt"),
    Known("front-proxy-ca", None, ((API, "requestheader-client-ca-file"),), "front-proxy-ca.crt"),
)
BY_NAME: Mapping[str, Known] = {known.name: known for known in KNOWN}

# In which items are shown: whatever has no place here comes last.
ORDER: Mapping[str, int] = {
    name: place
    for place, name in enumerate(
        [
            *(known.name for known in KNOWN if known.authority),
            *("admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf"),
            *("kubelet-client", "kubelet-server", "kube-controller-manager", "kube-scheduler"),
            *(known.name for known in KNOWN if not known.authority),
        ]
    )
}

DIRECTORY = "/etc/kubernetes/pki"
KUBERNETES = "/etc/kubernetes"
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
SUPER_ADMIN = f"{KUBERNETES}/super-admin.conf"  # an administrator may have removed it, and should have
KUBELET_SERVER = ("/var/lib/kubelet/pki/kubelet-server-current.pem", "/var/lib/kubelet/pki/kubelet.crt")

# An administrator's, of which people have copies.
ADMINS = ("admin.conf", "super-admin.conf")

# What kubeadm renews. super-admin.conf is only where `kubeadm init` ran.
KUBEADM_KUBECONFIGS = (*ADMINS, "controller-manager.conf", "scheduler.conf")
KUBEADM = frozenset({*KUBEADM_KUBECONFIGS, *(known.name for known in KNOWN if known.authority)})

# Whom kubeadm's kubeconfigs on a control plane log in as: common name (kubelet.conf: how it begins), and the groups of
# which it has one ("": none). Source: kubeadm's phases/kubeconfig/kubeconfig.go; admin.conf until 1.28: the second.
IDENTITIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "admin.conf": ("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters")),
    "super-admin.conf": ("kubernetes-super-admin", ("system:masters",)),
    "controller-manager.conf": ("system:kube-controller-manager", ("",)),
    "scheduler.conf": ("system:kube-scheduler", ("",)),
    "kubelet.conf": ("system:node:", ("system:nodes",)),
}

# Component to the kubeconfig that it reads once, when it starts (measured: no restart, no new certificate).
READ_AT_START = {MANAGER: "controller-manager.conf", "kube-scheduler": "scheduler.conf"}

# Bundles of which every reader knows only what was in them when it started: etcd has them in its TLS configuration
# (etcd-io/etcd #11555), and so has the API server as its client. The others are read again when they change.
READ_ONCE = frozenset({"etcd-ca"})

# Component of a socket to the certificate that it serves.
SERVES = {API: "apiserver", ETCD: "etcd-server", "etcd-peer": "etcd-peer", "kubelet": "kubelet-server"}

# Metrics: `kprov certs check -o prometheus` and the nodes' own checks have the same names.
METRIC_NOT_AFTER = "kprov_certificate_not_after_timestamp_seconds"
METRIC_FINDINGS = "kprov_certs_findings"
METRIC_UNREAD = "kprov_certs_unread"
METRIC_CHECKED = "kprov_certs_check_timestamp_seconds"
METRIC_RENEWAL = "kprov_certs_renewal_timestamp_seconds"


def kubeconfig_name(path: str) -> str:
    """kubeadm's name of a kubeconfig, that of its file; the path of one that is elsewhere."""
    directory, _, file = path.rpartition("/")
    return file if directory == KUBERNETES else path


def kubeconfigs(components: Mapping[str, Any]) -> list[str]:
    """Paths of those of kubeadm's kubeconfigs that a control plane cannot do without, there or not.

    components: of kprov.certs.node.components. A component that is told another path is not kubeadm's any more.
    """
    if not components.get(API, {}).get("manifest"):
        return []
    readers = {**READ_AT_START, "kubelet": "kubelet.conf"}
    read = {name: flag(components[one]["args"], "kubeconfig") for one, name in readers.items() if one in components}
    found = [name for name, path in read.items() if path in (None, f"{KUBERNETES}/{name}")]
    return [f"{KUBERNETES}/{name}" for name in ("admin.conf", *found)]


BOOTSTRAP = re.compile(r"^[ \t]*[\"']?serverTLSBootstrap[\"']?:[ \t]*(\w+)", re.MULTILINE)
TLS_CERT_FILE = re.compile(r"^[ \t]*[\"']?tlsCertFile[\"']?:[ \t]*[\"']?([^\s\"',]*)", re.MULTILINE)


def name_files(answer: Mapping[str, Any]) -> dict[str, str]:
    """Path to the certificate's name. answer: of kprov.certs.node.main."""
    components, there = answer["components"], {file["path"] for file in answer["files"]}
    found: dict[str, str] = {}
    for known in KNOWN:
        for component, option in known.by:
            path = flag(components[component]["args"], option) if component in components else None
            if path:
                found.setdefault(path, known.name)
    taken = {*found.values()}
    for known in KNOWN:
        if known.name not in taken:
            found.setdefault(f"{DIRECTORY}/{known.path}", known.name)
    found[KUBELET_CLIENT] = "kubelet-client"
    configured = given_to_kubelet(components)
    ordered = KUBELET_SERVER if asks_the_cluster(components) else KUBELET_SERVER[::-1]
    served = [configured] if configured else [path for path in ordered if path in there]
    found.update((path, "kubelet-server") for path in served[:1])
    return found


def given_to_kubelet(components: Mapping[str, Any]) -> str | None:
    """The serving certificate that its flags or its configuration name; None: the cluster's, or one of its own."""
    kubelet = components.get("kubelet")
    if not kubelet:
        return None
    written = TLS_CERT_FILE.findall("\n".join(text for _, text in kubelet["files"]))
    return flag(kubelet["args"], "tls-cert-file") or (written[-1] if written else "") or None


def asks_the_cluster(components: Mapping[str, Any]) -> bool:
    """Whether the kubelet was told to have its serving certificate signed by the cluster; if not, one is a leftover."""
    kubelet = components.get("kubelet")
    if not kubelet:
        return True  # nothing is known of it
    written = BOOTSTRAP.findall("\n".join(text for _, text in kubelet["files"]))
    flags = {"--rotate-server-certificates", "--rotate-server-certificates=true"}
    return written[-1:] == ["true"] or bool(flags & {*kubelet["args"]})


def nobody_reads(path: str, names: Mapping[str, str]) -> bool:
    """Whether a file is a leftover: a kubelet's serving certificate from before it had another one."""
    return path in KUBELET_SERVER and path not in names


def served_by(component: str, components: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    """Name of the certificate that a component's socket serves. Kubespray's etcd has one for clients and for peers."""
    if component == "etcd-peer":
        path = flag(components["etcd"]["args"], "peer-cert-file")
        return names.get(path or "", SERVES[component])
    return SERVES.get(component)
