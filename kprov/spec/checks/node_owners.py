"""Keys on a Node that are not the inventory's: who keeps them, or what they are called by now.

Sources: k8s.io/api v0.36.3 core/v1/well_known_labels.go, well_known_taints.go, annotation_key_constants.go;
k8s.io/cloud-provider api/; kubeadm's constants.go; the kubelet's updateDefaultLabels (kubelet_node_status.go).
"""

from __future__ import annotations

from collections.abc import Mapping

LABELS, TAINTS, ANNOTATIONS = "node_labels", "node_taints", "node_annotations"
RESOURCES = "node_extended_resources"

ROLE = (
    "kubeadm marks control planes: put the host into [kube_control_plane]; control_plane_schedulable is for the taint"
)
MASTER = "Kubernetes calls it node-role.kubernetes.io/control-plane since 1.24, and kubeadm sets that"
KUBELET = "the kubelet sets it, and sets it again"
CLOUD = "the cloud provider's controller sets it and takes it away"
CONDITION = "Kubernetes sets it and takes it away with the node's condition"
# Keys that somebody else keeps, with the word for the user. Not in here: topology.kubernetes.io/zone and region and
# node.kubernetes.io/instance-type, which nobody sets on machines without a cloud.
OWNERS: Mapping[str, Mapping[str, str]] = {
    LABELS: {
        "kubernetes.io/hostname": KUBELET,
        "kubernetes.io/os": KUBELET,
        "kubernetes.io/arch": KUBELET,
        "beta.kubernetes.io/os": KUBELET,
        "beta.kubernetes.io/arch": KUBELET,
        "node.kubernetes.io/windows-build": KUBELET,
        "beta.kubernetes.io/instance-type": "it is called node.kubernetes.io/instance-type since 1.17",
        "failure-domain.beta.kubernetes.io/zone": "it is called topology.kubernetes.io/zone since 1.17",
        "failure-domain.beta.kubernetes.io/region": "it is called topology.kubernetes.io/region since 1.17",
        "node-role.kubernetes.io/control-plane": ROLE,
        "node-role.kubernetes.io/master": MASTER,
    },
    TAINTS: {
        "node-role.kubernetes.io/control-plane": ROLE,
        "node-role.kubernetes.io/master": MASTER,
        "node.kubernetes.io/not-ready": CONDITION,
        "node.kubernetes.io/unreachable": CONDITION,
        "node.kubernetes.io/memory-pressure": CONDITION,
        "node.kubernetes.io/disk-pressure": CONDITION,
        "node.kubernetes.io/pid-pressure": CONDITION,
        "node.kubernetes.io/network-unavailable": CONDITION,
        "node.kubernetes.io/unschedulable": "`kubectl cordon` and `kubectl uncordon` set it",
        "node.kubernetes.io/out-of-service": "it is for a node that is down for good, set by hand and only then",
        "node.cloudprovider.kubernetes.io/uninitialized": CLOUD,
        "node.cloudprovider.kubernetes.io/shutdown": CLOUD,
    },
    ANNOTATIONS: {
        "kubeadm.alpha.kubernetes.io/cri-socket": "kubeadm sets it from container_runtime",
        "volumes.kubernetes.io/controller-managed-attach-detach": KUBELET,
        "csi.volume.kubernetes.io/nodeid": KUBELET,
        "alpha.kubernetes.io/provided-node-ip": "the kubelet sets it from `ip`",
        "node.alpha.kubernetes.io/ttl": "the controller manager sets it",
        "kubectl.kubernetes.io/last-applied-configuration": "`kubectl apply` sets it",
        "scheduler.alpha.kubernetes.io/taints": "nothing has read it since 1.6: use node_taints",
    },
}
# Labels in Kubernetes' domains that people do set on nodes; for catching a misspelt one.
KNOWN_LABELS = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "node.kubernetes.io/exclude-disruption",
)
