"""Groups: who is a control plane, who is a node, and who is forgotten."""

from __future__ import annotations

from kprov.spec.checks.variables import closest
from kprov.spec.draft import CONTROL_PLANE, NODE, Draft
from kprov.spec.kubespray import GROUPS
from kprov.spec.report import Report

ETCD = "etcd"
KNOWN = (CONTROL_PLANE, NODE, ETCD, "k8s_cluster")


def old_group_names(draft: Draft, report: Report) -> None:
    """Groups with another tool's name for one of ours, if they hold a host that ours does not."""
    for group, hosts in draft.groups.items():
        ours = GROUPS.get(group) or (closest(group, KNOWN) if group not in KNOWN else None)
        if ours and set(hosts) - set(draft.groups.get(ours, ())):
            report.error("group-name", f"group {group} is called {ours} here", group=group, hint=f"rename it to {ours}")


def control_planes(draft: Draft, report: Report) -> None:
    """At least one control plane, and an odd number: etcd with 2 members stops when either of them does."""
    count = len(draft.groups.get(CONTROL_PLANE, ()))
    if count == 0:
        report.error(
            "no-control-plane", f"no host is in the group {CONTROL_PLANE}", hint=f"add one to [{CONTROL_PLANE}]"
        )
    elif count % 2 == 0:
        report.error(
            "even-etcd",
            f"{count} control planes: etcd runs on each, and {count} members survive no more failures than {count - 1}",
            group=CONTROL_PLANE,
            hint=f"use {count - 1} or {count + 1}",
        )


def etcd(draft: Draft, report: Report) -> None:
    """etcd runs on the control planes; a group of its own may say so but nothing else."""
    members, planes = set(draft.groups.get(ETCD, ())), set(draft.groups.get(CONTROL_PLANE, ()))
    if members and members != planes:
        odd = ", ".join(sorted(members ^ planes))
        report.error(
            "external-etcd",
            f"external etcd is not supported yet: the groups {ETCD} and {CONTROL_PLANE} differ in {odd}",
            group=ETCD,
            hint=f"give [{ETCD}] the hosts of [{CONTROL_PLANE}], or delete the group",
        )


def forgotten_hosts(draft: Draft, report: Report) -> None:
    """Hosts that are in none of our groups are left alone."""
    for host in draft.others:
        report.warning("host-outside", f"{host} is in neither {CONTROL_PLANE} nor {NODE} and is left alone", host=host)


def somewhere_to_run_pods(draft: Draft, report: Report) -> None:
    """A cluster of control planes only runs no ordinary pod, unless it is told to."""
    nodes = [h for h in draft.hosts if not h.is_control_plane or h.values.get("control_plane_schedulable") is True]
    if draft.hosts and not nodes:
        report.warning(
            "nowhere-to-run",
            "every node is a control plane and none of them runs ordinary pods",
            group=CONTROL_PLANE,
            hint="set control_plane_schedulable: true, or add hosts to [kube_node]",
        )
