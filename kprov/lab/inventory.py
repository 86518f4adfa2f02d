"""Writes the lab's inventory: hosts in inventory.ini, what container nodes need in group_vars/all.yml.

inventory.ini follows the nodes and is rewritten with them. group_vars/all.yml is written once and then belongs to
whoever edits it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.errors import InputError
from kprov.lab import ssh
from kprov.lab.directory import LabDirectory
from kprov.lab.machine import Machine
from kprov.lab.nodes import Node

# In the node image for docker (node_image_docker/).
RUNC_RESTRICTED = "/usr/local/lib/kprov-lab/runc-restricted"


@dataclass(frozen=True)
class Variable:
    """A line of group_vars/all.yml and the reason for it, shown as its comment."""

    name: str
    value: Any
    why: str


def render_inventory(directory: LabDirectory, nodes: Sequence[Node]) -> str:
    """inventory.ini: Kubespray's groups, etcd on the control planes, and how to log in."""
    control_planes = [node for node in nodes if node.role == "control_plane"]
    workers = [node for node in nodes if node.role == "worker"]

    def group(name: str, lines: list[str]) -> str:
        return "\n".join([f"[{name}]", *lines])

    def host(node: Node) -> str:
        return f"{node.name} ansible_host={node.address} ip={node.address}"

    login = [
        f"ansible_user={ssh.USER}",
        "ansible_become=true",
        f"ansible_ssh_private_key_file={directory.private_key}",
        f"ansible_ssh_common_args={' '.join(ssh.options(directory))}",
    ]
    return "\n\n".join(
        [
            f"# The lab {directory.name}. `kprov lab up` rewrites this file; settings go to group_vars/all.yml.",
            group("kube_control_plane", [host(node) for node in control_planes]),
            group("etcd", [node.name for node in control_planes]),
            group("kube_node", [host(node) for node in workers] or [node.name for node in control_planes]),
            group("all:vars", login) + "\n",
        ]
    )


def lab_variables(name: str, kubernetes: str, bundle: Path, runtime: str = "containerd") -> list[Variable]:
    """What the lab was asked for. kubernetes: as asked, "1.36" or "1.36.3"."""
    chosen = [] if runtime == "containerd" else [Variable("container_runtime", runtime, "The nodes have it installed.")]
    return [
        Variable("cluster_name", name, "The lab's name."),
        Variable(
            "kubernetes_version", resolve_version(kubernetes, bundle), f"`kprov lab up` was asked for {kubernetes}."
        ),
        Variable("artifacts_bundle", str(bundle), "Everything that the nodes install comes from here."),
        *chosen,
    ]


def machine_variables(machine: Machine, runtime: str = "containerd") -> list[Variable]:
    """What nodes on this machine need and real machines do not, each with its reason."""
    return [
        *_kubelet(machine),
        Variable(
            "kubelet_resolv_conf",
            "/etc/resolv.conf",
            "Fit for pods as it is: its nameserver is not a loopback, so CoreDNS does not forward to itself.",
        ),
        Variable(
            "kube_proxy_config",
            {"conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}},
            "conntrack limits can only be set on the machine itself; 0 leaves them as they are.",
        ),
        *_preflight(machine),
        *_container_runtime(machine, runtime),
    ]


def _kubelet(machine: Machine) -> list[Variable]:
    return [
        Variable(
            "kubelet_eviction_hard",
            {
                "nodefs.available": "1Gi",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1Gi",
                "imagefs.inodesFree": "1%",
                "pid.available": "1%",
            },
            "The nodes share this machine's disk and processes: what real nodes keep free is far too much here.",
        ),
        Variable("kubelet_image_gc_high_threshold", 100, "Never: an air-gapped node cannot get a deleted image back."),
        Variable("kubelet_image_gc_low_threshold", 99, "Below the high one."),
        Variable(
            "kubelet_shutdown_grace_period",
            0,
            "logind is masked in the nodes' image, and they end with `docker kill`, not with a shutdown.",
        ),
        *_kubelet_config(machine),
    ]


def _kubelet_config(machine: Machine) -> list[Variable]:
    reasons: list[str] = []
    config: dict[str, Any] = {}
    if not machine.sys_resource:
        reasons.append("KubeletInUserNamespace: this machine withholds CAP_SYS_RESOURCE, limits cannot be raised.")
        config["featureGates"] = {"KubeletInUserNamespace": True}
    if machine.cgroup == "v1":
        reasons.append("failCgroupV1: this machine has cgroup v1, which kubelet refuses since 1.35.")
        config["failCgroupV1"] = False
    if machine.swap:
        reasons.append("failSwapOn: this machine has swap, and a node cannot switch it off.")
        config["failSwapOn"] = False
    return [Variable("kubelet_config", config, "\n".join(reasons))] if config else []


def _preflight(machine: Machine) -> list[Variable]:
    reasons = []
    if machine.cgroup == "v1":
        reasons.append("it refuses cgroup v1")
    if not machine.kernel_config:
        reasons.append("it finds no kernel configuration")
    if not reasons:
        return []
    return [
        Variable(
            "kubeadm_ignore_preflight_errors",
            ["SystemVerification"],
            f"kubeadm's check of the kernel fails here: {' and '.join(reasons)}.",
        )
    ]


def _container_runtime(machine: Machine, runtime: str) -> list[Variable]:
    if machine.sys_resource:
        return []
    why = "Without CAP_SYS_RESOURCE nobody may lower an OOM score, and containers that ask for it do not start."
    if runtime == "docker":
        why += "\nDocker has no setting for that: a wrapper around runc, which comes with the lab's node image."
        wrapper = {"runtimes": {"runc-restricted": {"path": RUNC_RESTRICTED}}, "default-runtime": "runc-restricted"}
        return [Variable("container_runtime_docker_daemon", wrapper, why)]
    return [Variable("container_runtime_restrict_oom_score_adj", True, why)]


def render_group_vars(variables: Sequence[Variable]) -> str:
    """group_vars/all.yml."""
    header = "# Written once by `kprov lab up` after a look at this machine; edit it as you like.\n"
    return "\n".join([header, *(_block(variable) for variable in variables)])


def _block(variable: Variable) -> str:
    comment = "\n".join(f"# {line}" for line in variable.why.splitlines())
    return f"{comment}\n{_yaml({variable.name: variable.value})}"


def _yaml(value: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def with_bundle(group_vars: str, kubernetes: str, bundle: Path) -> str:
    """The file with another artifacts_bundle; what somebody edited stays.

    kubernetes: as asked for the lab. A version that is still those words becomes one of the bundle's releases.
    """
    changed = _with_line(group_vars, "artifacts_bundle", str(bundle))
    if _yaml({"kubernetes_version": kubernetes}) in changed:
        changed = _with_line(changed, "kubernetes_version", resolve_version(kubernetes, bundle))
    return changed


def _with_line(group_vars: str, name: str, value: str) -> str:
    line = _yaml({name: value})
    changed, count = re.subn(rf"^{name}:.*\n", lambda _: line, group_vars, count=1, flags=re.MULTILINE)
    return changed if count else f"{group_vars}\n{line}"


def resolve_version(kubernetes: str, bundle: Path) -> str:
    """The newest release in the bundle's manifest that `kubernetes` ("1.36") stands for.

    A full version stays as it is, and so does a short one while the bundle has no manifest. InputError when the bundle
    has other releases only.
    """
    manifest = bundle / "manifest.json"
    if kubernetes.count(".") > 1 or not manifest.is_file():
        return kubernetes
    releases = list(json.loads(manifest.read_text())["releases"])
    fitting = [release for release in releases if release.startswith(f"{kubernetes}.")]
    if not fitting:
        raise InputError(
            f"the bundle has no Kubernetes {kubernetes}", hint=f"{manifest} has {', '.join(releases) or 'no release'}"
        )
    newest: str = max(fitting, key=lambda release: [int(part) for part in release.split(".")])
    return newest
