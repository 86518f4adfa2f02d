"""PHASES: what `kprov up` does, in order. The table of contents of kprov."""

from __future__ import annotations

from kprov.phases.phase import Phase, Scope

ARTIFACTS = ("artifacts_bundle", "artifacts_mirror", "bin_dir", "kubernetes_version")

PHASES: tuple[Phase, ...] = (
    Phase(
        name="os",
        title="Prepare the operating system",
        hosts="k8s_cluster",
        reads=("api_server_port", "ip", "network_plugin", "pod_cidr"),
        restarts=("systemd-journald.service",),
    ),
    Phase(
        name="container_runtime",
        title="Install the container runtime",
        hosts="k8s_cluster",
        reads=(*ARTIFACTS, "container_runtime", "image_repository"),
        restarts=("units of the container runtime",),
    ),
    Phase(
        name="kubernetes",
        title="Install Kubernetes' binaries and images",
        hosts="k8s_cluster",
        reads=(*ARTIFACTS, "container_runtime", "image_repository", "network_plugin"),
    ),
    Phase(
        name="kubelet",
        title="Configure the kubelet",
        hosts="k8s_cluster",
        reads=("api_server_port", "bin_dir", "container_runtime", "kubernetes_version"),
        restarts=("kubelet.service",),
        sized=True,
        rolling=True,
    ),
    Phase(
        name="control_plane",
        title="Run the control plane",
        hosts="kube_control_plane",
        reads=(
            "api_server_port",
            "bin_dir",
            "cluster_name",
            "container_runtime",
            "control_plane_endpoint",
            "dns_domain",
            "image_repository",
            "ip",
            "kube_proxy_config",
            "kube_proxy_mode",
            "kubeadm_ignore_preflight_errors",
            "kubernetes_version",
            "pod_cidr",
            "pod_cidr_node_prefix",
            "service_cidr",
        ),
        restarts=("static pods of the control plane",),
    ),
    Phase(
        name="worker",
        title="Join the workers",
        hosts="worker",
        reads=(
            "api_server_port",
            "bin_dir",
            "container_runtime",
            "control_plane_endpoint",
            "ip",
            "kubeadm_ignore_preflight_errors",
        ),
    ),
    Phase(
        name="certificates",
        title="Check the certificates every day",
        hosts="k8s_cluster",
        reads=("api_server_port", "bin_dir", "cluster_name", "ip"),
        copies=("certs/node", "remote/node"),
    ),
    Phase(
        # Before the network makes nodes Ready: no pod lands on a node that a taint is to keep free.
        name="node",
        title="Label and taint the nodes",
        hosts="kube_control_plane",
        reads=("bin_dir",),
        restarts=("pods that do not tolerate a new NoExecute taint",),
        scope=Scope.CLUSTER,
        every_node=True,
    ),
    Phase(
        name="network",
        title="Install the pod network",
        hosts="kube_control_plane",
        reads=(
            "api_server_port",
            "control_plane_endpoint",
            "image_repository",
            "kubernetes_version",
            "network_plugin",
            "pod_cidr",
        ),
        restarts=("pods of the network plugin",),
        scope=Scope.CLUSTER,
    ),
)


def phase(name: str) -> Phase:
    """The phase of that name; KeyError if there is none."""
    return next(p for p in PHASES if p.name == name)
