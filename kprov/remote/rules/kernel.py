"""Kernel: version, features, cgroups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say

# The oldest that kubeadm 1.36 lists (k8s.io/system-validators v1.12.1: 5.4, 5.10, 5.15 and 6.x).
OLDEST_KERNEL = (5, 4)
# kube-proxy's nftables mode (kubernetes.io/docs/reference/node/kernel-version-requirements).
OLDEST_FOR_NFTABLES = (5, 13)
# kubeadm's list of cgroups and namespaces, and what containerd (overlay), bridges and kube-proxy need.
REQUIRED = {
    "overlay": "containerd keeps images on overlayfs",
    "br_netfilter": "packets on a bridge must pass iptables",
    "nf_conntrack": "kube-proxy translates addresses of Services",
    "cgroup_cpu": "CPU limits",
    "cgroup_cpuset": "CPU pinning",
    "cgroup_memory": "memory limits",
    "cgroup_pids": "limits on processes",
    "namespace_cgroup": "containers",
    "namespace_ipc": "containers",
    "namespace_mnt": "containers",
    "namespace_net": "pods",
    "namespace_pid": "containers",
    "namespace_uts": "pods",
}
KUBEADM_CHECK = "SystemVerification"


def version(release: str) -> tuple[int, int]:
    """ "6.1.0-18-amd64" -> (6, 1)."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _version(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        release = machine.state.kernel
        if version(release) < OLDEST_KERNEL:
            message = f"runs Linux {release}; Kubernetes needs {_dotted(OLDEST_KERNEL)} or newer"
            yield say.unless(machine.ignores(KUBEADM_CHECK), machine.name, message, "upgrade the kernel")
        elif _nftables(machine) and version(release) < OLDEST_FOR_NFTABLES:
            message = f"runs Linux {release}; kube_proxy_mode nftables needs {_dotted(OLDEST_FOR_NFTABLES)} or newer"
            yield say.error(machine.name, message, "set kube_proxy_mode: iptables")


def _features(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        wanted = dict(REQUIRED)
        if _nftables(machine):
            wanted["nf_tables"] = "kube_proxy_mode is nftables"
        missing = [feature for feature in wanted if machine.state.kernel_features.get(feature) is False]
        if missing:
            told = "; ".join(f"{feature} ({wanted[feature]})" for feature in missing)
            yield say.unless(
                machine.ignores(KUBEADM_CHECK),
                machine.name,
                f"the kernel lacks {told}",
                _feature_hint(machine, missing),
            )


def _feature_hint(machine: Machine, missing: list[str]) -> str:
    if "cgroup_memory" in missing:
        return "add `cgroup_enable=memory` to the kernel's command line and reboot"
    if machine.state.os.id == "ubuntu":
        return f"`apt-get install linux-modules-extra-{machine.state.kernel}` on the machine"
    if "rhel" in (*machine.state.os.id_like, machine.state.os.id):
        return f"`dnf install kernel-modules-{machine.state.kernel}` on the machine"
    return "install a kernel that has them; after a kernel upgrade, reboot"


def _cgroups(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        if machine.state.cgroup_version == 2:
            continue
        if machine.host.variables["kubelet_config"].get("failCgroupV1") is False:
            yield say.warning(
                machine.name, "uses cgroup v1 (allowed by failCgroupV1: false); Kubernetes will drop support for it"
            )
        else:
            yield say.error(
                machine.name,
                "uses cgroup v1, which the kubelet refuses since 1.35",
                "add `systemd.unified_cgroup_hierarchy=1` to the kernel's command line and reboot, "
                "or set kubelet_config: {failCgroupV1: false}",
            )


def _nftables(machine: Machine) -> bool:
    return bool(machine.host.variables["kube_proxy_mode"] == "nftables")


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


RULES = (Rule("kernel-version", _version), Rule("kernel-features", _features), Rule("cgroup-version", _cgroups))
