"""Checks of an inventory, one file per family. A check takes the draft, adds to the report, and returns nothing."""

from __future__ import annotations

from collections.abc import Callable

from kprov.spec.checks import (
    addresses,
    artifacts,
    connections,
    endpoints,
    files,
    groups,
    kubelet,
    kubelet_eviction,
    kubernetes,
    names,
    networks,
    os,
    variables,
    versions,
)
from kprov.spec.draft import Draft
from kprov.spec.report import Report

Check = Callable[[Draft, Report], None]

CHECKS: tuple[Check, ...] = (
    groups.control_planes,
    groups.old_group_names,
    groups.etcd,
    groups.forgotten_hosts,
    groups.somewhere_to_run_pods,
    files.strange_keys,
    files.unread_vars_files,
    variables.unknown_variables,
    variables.cluster_wide_variables,
    names.node_names,
    names.cluster_name,
    names.dns_domain,
    addresses.node_addresses,
    addresses.same_family,
    addresses.duplicate_addresses,
    networks.networks,
    networks.room_for_pods,
    versions.kubernetes_version,
    endpoints.control_plane_endpoint,
    endpoints.api_server_port,
    artifacts.artifacts_bundle,
    artifacts.artifacts_mirror,
    artifacts.image_repository,
    kubernetes.durations,
    kubernetes.flags,
    kubernetes.ignored_preflight_errors,
    kubernetes.registry_mirrors,
    kubernetes.paths,
    kubelet.own_fields,
    kubelet.reservations,
    kubelet.enforcement,
    kubelet.policies,
    kubelet.processes,
    kubelet.numbers,
    kubelet.heartbeats,
    kubelet.kernel,
    kubelet.swap,
    kubelet_eviction.signals,
    kubelet_eviction.thresholds,
    kubelet_eviction.soft_thresholds,
    kubelet_eviction.image_garbage_collection,
    os.sysctl,
    os.journal,
    os.hosts_entries,
    os.node_ports,
    os.hugepages,
    connections.connections,
)
