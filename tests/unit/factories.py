"""Specs and host states for tests of pure logic: everything has a sensible value, tests change what they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kprov.phases.catalog import PHASES
from kprov.phases.inputs import inputs
from kprov.phases.node_settings import nothing_to_do
from kprov.phases.phase import Scope
from kprov.remote.state import (
    ApiNode,
    ApiState,
    ClusterState,
    HostState,
    OperatingSystem,
    PhaseState,
)
from kprov.spec.cluster import ClusterSpec, Connection, Host
from kprov.spec.declarations import declarations
from kprov.spec.values import ROOTS


def make_host(name: str, *groups: str, index: int = 1, **variables: Any) -> Host:
    """A host with every declared variable at its default."""
    address = f"10.1.0.{index}"
    defaults = {d.name: d.fresh_default() for d in declarations().values()}
    defaults["container_runtime_root"] = ROOTS[variables.get("container_runtime", "containerd")]
    return Host(
        name=name,
        connection=Connection(host=address),
        groups=frozenset(groups),
        variables={**defaults, "ip": address, "cluster_name": "test", **variables},
    )


def make_spec(control_planes: int = 1, workers: int = 2, **variables: Any) -> ClusterSpec:
    """cp1..., w1...; the given variables on every host."""
    hosts = [make_host(f"cp{n}", "kube_control_plane", index=n, **variables) for n in range(1, control_planes + 1)]
    hosts += [make_host(f"w{n}", "kube_node", index=100 + n, **variables) for n in range(1, workers + 1)]
    return ClusterSpec(inventory=Path("inventory.ini"), hosts=tuple(hosts))


def make_state(name: str, **fields: Any) -> HostState:
    """A fresh machine that fits."""
    values: dict[str, Any] = {
        "hostname": name,
        "machine_id": f"id-{name}",
        "boot_id": f"boot-{name}",
        "time": 1_800_000_000.0,
        "clock_skew": 0.0,
        "os": OperatingSystem("debian", "12", "Debian GNU/Linux 12"),
        "arch": "amd64",
        "kernel": "6.1.0",
        "init": "systemd",
        "virtualization": "kvm",
        "cgroup_version": 2,
        "cpus": 4,
        "memory": 8 * 2**30,
        "swap": (),
        "filesystems": {},
        "kernel_features": {},
        "listeners": (),
        "addresses": (),
        "nameservers": ("192.0.2.53",),
        "resolves_itself": True,
        "missing_commands": (),
        "cluster": ClusterState(),
        "phases": {},
        "records_cluster": None,
    }
    return HostState(**{**values, **fields})


def converged_states(spec: ClusterSpec) -> dict[str, HostState]:
    """What the probe sees on a cluster that is exactly what the spec asks."""
    api = ApiState(
        reachable=True,
        nodes={
            h.name: ApiNode(ready=True, kubelet_version="v1.36.3", control_plane="kube_control_plane" in h.groups)
            for h in spec.hosts
        },
        phases={
            p.name: done(inputs(p, spec, spec.group("kube_control_plane")[0]))
            for p in PHASES
            if p.scope is Scope.CLUSTER and not (p.every_node and nothing_to_do(spec, None))
        },
    )
    states = {}
    for host in spec.hosts:
        phases = {
            p.name: done(inputs(p, spec, host)) for p in PHASES if p.scope is Scope.NODE and host in spec.group(p.hosts)
        }
        states[host.name] = make_state(
            host.name,
            phases=phases,
            cluster=ClusterState(joined=True, ca_sha256="aa"),
            records_cluster=spec.name,
            api=api if "kube_control_plane" in host.groups else None,
        )
    return states


def done(fingerprint: dict[str, Any], **fields: Any) -> PhaseState:
    """The record of a finished phase."""
    return PhaseState(fingerprint=fingerprint, finished="2026-01-01T00:00:00Z", dirty=False, **fields)
