"""A cluster that is there already: somebody else's, or ours in another version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say
from kprov.spec.versions import matches

# Phases that put a machine into a cluster.
JOINING = frozenset({"control_plane", "worker"})


def traces(machine: Machine) -> list[str]:
    """What is left of, or belongs to, a cluster on the machine, in words."""
    found = []
    cluster = machine.state.cluster
    if cluster.joined:
        found.append(f"it has joined {cluster.server or 'a cluster'} (/etc/kubernetes/kubelet.conf)")
    if cluster.ca_sha256:
        found.append(f"the cluster CA {cluster.ca_sha256[:16]} (/etc/kubernetes/pki/ca.crt)")
    if cluster.static_pods:
        found.append(f"static pods {', '.join(cluster.static_pods)} (/etc/kubernetes/manifests)")
    return found


def _foreign(machines: Machines, say: Say) -> Iterator[Problem]:
    hint = (
        "take the machine out of the inventory, or, if that cluster is not needed any more, "
        "run `kubeadm reset -f` on it and remove /etc/kubernetes and /etc/cni/net.d"
    )
    # A machine that lost its records is still ours if its CA is that of one that has them.
    our_authorities = {m.state.cluster.ca_sha256 for m in machines.all if _joined_by_kprov(m)}
    for machine in machines.all:
        found = traces(machine)
        if not found:
            continue
        recorded = machine.state.records_cluster
        ours = _joined_by_kprov(machine) or machine.state.cluster.ca_sha256 in our_authorities - {None}
        if not ours:
            yield say.error(machine.name, f"has a cluster that kprov did not make: {'; '.join(found)}", hint)
        elif recorded is not None and recorded != machines.spec.name:
            message = (
                f"belongs to the cluster {recorded}, and the inventory is of {machines.spec.name}: {'; '.join(found)}"
            )
            yield say.error(machine.name, message, hint)


def _joined_by_kprov(machine: Machine) -> bool:
    return not JOINING.isdisjoint(machine.state.phases)


def _authority(machines: Machines, say: Say) -> Iterator[Problem]:
    groups: dict[str, list[str]] = defaultdict(list)
    for machine in machines.all:
        if machine.state.cluster.ca_sha256:
            groups[machine.state.cluster.ca_sha256].append(machine.name)
    if len(groups) > 1:
        told = "; ".join(f"{ca[:16]} on {', '.join(names)}" for ca, names in groups.items())
        fewest = min(groups.values(), key=len)
        yield say.error(
            fewest[0],
            f"the hosts belong to {len(groups)} clusters, by the fingerprint of /etc/kubernetes/pki/ca.crt: {told}",
            "take those of the wrong one out of the inventory, or run `kubeadm reset -f` on them",
        )


def _version(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        installed = machine.state.cluster.kubelet_version
        wanted = str(machine.host.variables["kubernetes_version"]).removeprefix("v")
        if machine.state.cluster.joined and installed and not matches(wanted, installed):
            yield say.error(
                machine.name,
                f"runs Kubernetes {installed}, and kubernetes_version is {wanted}: "
                "`kprov up` does not change the version of a running cluster",
                f"set kubernetes_version: {installed}",
            )


RULES = (Rule("foreign-cluster", _foreign), Rule("ca-mismatch", _authority), Rule("version-change", _version))
