"""What kubeadm join reads: where the cluster is and how to prove it, and the credentials. JSON is YAML."""

from __future__ import annotations

import base64


def discovery(endpoint: str, ca: str) -> dict:
    """A kubeconfig (JSON is YAML) that says where the API server is and what proves it.

    With a bootstrap token instead kubeadm asks the API server for its CA and waits, 5 s between two looks, until the
    controller manager has signed the answer; we have the CA, from the first control plane and over SSH.
    """
    cluster = {"server": f"https://{endpoint}", "certificate-authority-data": base64.b64encode(ca.encode()).decode()}
    # Without a name and a context, like the one in ConfigMap kube-public/cluster-info: kubeadm takes it as it is.
    return {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}


def join_configuration(join: dict, secrets: dict, discovery_file: str) -> dict:
    """JoinConfiguration (JSON is YAML) with the credentials."""
    document = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "nodeRegistration": join["nodeRegistration"],
        "discovery": {"file": {"kubeConfigPath": discovery_file}, "tlsBootstrapToken": secrets["token"]},
    }
    if "controlPlane" in join:
        document["controlPlane"] = {**join["controlPlane"], "certificateKey": secrets["certificate_key"]}
    return document
