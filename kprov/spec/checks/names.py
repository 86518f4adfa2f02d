"""Names: of nodes, of the cluster, of the DNS domain."""

from __future__ import annotations

import re

from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

# RFC 1123, as Kubernetes checks names (k8s.io/apimachinery/pkg/util/validation: IsDNS1123Label, IsDNS1123Subdomain).
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
MAX_SUBDOMAIN = 253
# The kubelet puts the node's name into the label kubernetes.io/hostname, and a label's value holds 63 characters.
MAX_NODE_NAME = 63


def is_subdomain(name: str) -> bool:
    """True for a lower-case DNS name: labels of letters, digits and hyphens, joined by dots."""
    return len(name) <= MAX_SUBDOMAIN and all(LABEL.match(part) for part in name.split("."))


def node_names(draft: Draft, report: Report) -> None:
    """Every host's name, in lower case, is a valid and unique name of a Node."""
    seen: dict[str, DraftHost] = {}
    for host in draft.hosts:
        name = host.node_name
        if not is_subdomain(name):
            fixed = re.sub(r"[^a-z0-9.]+", "-", name).strip("-.")
            hint = f"for example {fixed}" if is_subdomain(fixed) else None
            report.error(
                "node-name",
                f"{host.name} cannot be a node's name: only letters, digits, hyphens, dots; 63 characters at most",
                host=host.name,
                hint=hint,
            )
        elif len(name) > MAX_NODE_NAME:
            report.error(
                "node-name",
                f"the name has {len(name)} characters; the label kubernetes.io/hostname holds {MAX_NODE_NAME}",
                host=host.name,
                hint="use the short name and set ansible_host",
            )
        elif name in seen:
            report.error(
                "duplicate-name",
                f"{host.name} and {seen[name].name} would be the same node: node names are in lower case",
                host=host.name,
            )
        seen.setdefault(name, host)


def cluster_name(draft: Draft, report: Report) -> None:
    """The name of the cluster names a context, a directory and a certificate's subject: one DNS label, dots allowed."""
    for name, host in draft.distinct("cluster_name"):
        if not is_subdomain(name) or len(name) > MAX_NODE_NAME:
            report.error(
                "cluster-name",
                f"cluster_name {name!r} must be lower-case letters, digits, hyphens and dots, at most 63 characters",
                host=host.name,
                variable="cluster_name",
            )


def dns_domain(draft: Draft, report: Report) -> None:
    """dns_domain is a DNS name without a final dot (kubeadm: ValidateDNS1123Subdomain)."""
    for name, host in draft.distinct("dns_domain"):
        if not is_subdomain(name):
            report.error(
                "dns-domain",
                f"dns_domain {name!r} is not a DNS name in lower case",
                host=host.name,
                variable="dns_domain",
                hint="write it without a final dot" if is_subdomain(name.rstrip(".")) else None,
            )
