"""What Kubespray's names are called here, so that a Kubespray inventory is a good start.

Source: Kubespray's sample inventory (group_vars of releases 2.24 to 2.32) and the defaults of its roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GROUPS: Mapping[str, str] = {
    **dict.fromkeys(
        ("kube-master", "kube_master", "kube-control-plane", "kube-controlplane", "control_plane", "control-plane",
         "controlplane", "controllers", "master", "masters"),
        "kube_control_plane",
    ),
    **dict.fromkeys(("kube-node", "kube_nodes", "node", "nodes", "worker", "workers", "kube_worker"), "kube_node"),
    **dict.fromkeys(("k8s-cluster", "kube_cluster", "kube-cluster", "kubernetes"), "k8s_cluster"),
}  # fmt: skip

RENAMED: Mapping[str, str] = {
    "access_ip": "ip",
    "apiserver_loadbalancer_domain_name": "control_plane_endpoint",
    "container_manager": "container_runtime",
    "containerd_registries_mirrors": "container_runtime_registry_mirrors",
    "containerd_storage_dir": "container_runtime_root",
    "docker_daemon_graph": "container_runtime_root",
    "docker_insecure_registries": "container_runtime_insecure_registries",
    "docker_iptables_enabled": "container_runtime_docker_iptables",
    "docker_registry_mirrors": "container_runtime_registry_mirrors",
    "eviction_hard": "kubelet_eviction_hard",
    "kube_apiserver_port": "api_server_port",
    "kube_cert_validity_period": "control_plane_certificate_validity",
    "kube_ca_cert_validity_period": "control_plane_ca_validity",
    "kube_image_repo": "image_repository",
    "kube_kubeadm_apiserver_extra_args": "control_plane_api_server_args",
    "kube_kubeadm_controller_extra_args": "control_plane_controller_manager_args",
    "kube_kubeadm_scheduler_extra_args": "control_plane_scheduler_args",
    "kube_network_node_prefix": "pod_cidr_node_prefix",
    "kube_network_plugin": "network_plugin",
    "kube_pods_subnet": "pod_cidr",
    "kube_resolv_conf": "kubelet_resolv_conf",
    "kube_service_addresses": "service_cidr",
    "kube_version": "kubernetes_version",
    "kubelet_config_extra_args": "kubelet_config",
    "kubelet_logfiles_max_nr": "kubelet_container_log_max_files",
    "kubelet_logfiles_max_size": "kubelet_container_log_max_size",
    "kubelet_node_config_extra_args": "kubelet_config",
    "kubelet_rotate_server_certificates": "kubelet_server_tls_bootstrap",
    "loadbalancer_apiserver": "control_plane_endpoint",
    "additional_sysctl": "os_sysctl",
    "supplementary_addresses_in_ssl_keys": "control_plane_cert_sans",
    "files_repo": "artifacts_mirror",
}

# Exact names or prefixes (with *) of variables that set nothing here, and why. A first match counts.
NOT_NEEDED: tuple[tuple[str, str], ...] = (
    ("etcd_member_name", "etcd members are named after their hosts"),
    ("etcd_deployment_type", "etcd runs as a static pod of kubeadm"),
    ("etcd_kubeadm_enabled", "etcd runs as a static pod of kubeadm"),
    ("etcd_data_dir", "etcd keeps its data in /var/lib/etcd"),
    ("kube_config_dir", "always /etc/kubernetes"),
    ("kube_script_dir", "no scripts are installed"),
    ("kube_manifest_dir", "always /etc/kubernetes/manifests"),
    ("kube_cert_dir", "always /etc/kubernetes/pki"),
    ("kube_token_dir", "static tokens are not used"),
    ("kube_owner", "files belong to root"),
    ("kube_cert_group", "files belong to root"),
    ("kube_api_anonymous_auth", "Kubernetes' own default is kept"),
    ("kube_log_level", "set verbosity with control_plane_*_args: {v: 2}"),
    ("kube_apiserver_ip", "the first address of service_cidr, as Kubernetes does it"),
    ("kube_proxy_strict_arp", "only for ipvs, which is not offered"),
    ("kube_proxy_nodeport_addresses*", "use kube_proxy_config: {nodePortAddresses: [...]}"),
    ("local_release_dir", "files go to the nodes directly"),
    ("retry_stagger", "nothing is retried blindly"),
    ("download_*", "say where files come from with artifacts_bundle or artifacts_mirror"),
    ("credentials_dir", "no credentials are kept on the controller"),
    ("kubeconfig_localhost*", "kprov kubeconfig fetches it"),
    ("kubectl_localhost", "kprov kubeconfig fetches what kubectl needs"),
    ("kubeadm_certificate_key", "made for each join and removed after it"),
    ("auto_renew_certificates*", "see kprov certs schedule"),
    ("kubelet_csr_approver*", "kprov approves by the inventory, see kubelet_server_tls_bootstrap"),
    ("loadbalancer_apiserver_*", "clients use control_plane_endpoint"),
    ("skydns_server*", "the tenth address of service_cidr"),
    ("dns_mode", "always CoreDNS"),
    ("resolvconf_mode", "the nodes' resolver is not touched; see kubelet_resolv_conf"),
    ("ndots", "Kubernetes' own default is kept"),
    ("searchdomains", "the nodes' resolver is not touched"),
    ("deploy_netchecker", "kprov verify checks DNS and traffic"),
    ("deploy_container_engine", "the container runtime is always managed"),
    ("ignore_assert_errors", "checks cannot be switched off"),
    ("k8s_image_pull_policy", "images are put on the nodes beforehand, see kubernetes_preload_images"),
    ("kube_network_plugin_multus", "not offered"),
    ("volume_cross_zone_attachment", "cloud integration is not offered"),
    ("persistent_volumes_enabled", "cloud integration is not offered"),
    ("event_ttl_duration", "use control_plane_api_server_args: {event-ttl: 1h0m0s}"),
    ("ntp_*", "time is not managed"),
    ("cert_management", "certificates are kubeadm's"),
    ("no_proxy_exclude_workers", "proxies are not managed"),
    ("default_kubelet_config_dir", "dynamic kubelet configuration is gone from Kubernetes"),
    ("podsecuritypolicy_*", "PodSecurityPolicy is gone from Kubernetes"),
)

# Switches of features that kprov does not have: fine as long as they are off.
SWITCHES = re.compile(
    r"^(enable_|deploy_)|_enabled$|^(kube_encrypt_secret_data|kubernetes_audit|kata_containers_enabled|kube_webhook_)|"
    r"^(kubeadm_patches|nodelocaldns_|coredns_k8s_external_zone|kube_(service_addresses|pods_subnet|network_node_prefix)_ipv6)"
)


def not_needed(name: str, value: object) -> str | None:
    """Why a Kubespray variable sets nothing here; None if it may be missed, or is not Kubespray's."""
    for pattern, why in NOT_NEEDED:
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return why
    off = value in (False, None, "", [], {}) or str(value).lower() in ("false", "no", "off")
    if SWITCHES.search(name) and (off or name.startswith("nodelocaldns_") or name.endswith(("_ipv6", "_zone"))):
        return "not offered, and off anyway"
    if name == "kubeadm_patches" and isinstance(value, dict) and value.get("enabled") is False:
        return "not offered, and off anyway"
    return None
