"""Traces of a Kubernetes cluster on this machine, kprov's or not."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from kprov.remote.node import commands, read, records

KUBERNETES = "/etc/kubernetes"
SERVING = "/var/lib/kubelet/pki/kubelet-server-current.pem"
UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


def traces(bin_dir: str) -> dict[str, Any]:
    """CA, API server in kubelet.conf, static pods and the kubelet."""
    manifests = [name for name in read.names(KUBERNETES + "/manifests") if not name.startswith(".")]
    return {
        "ca_sha256": certificate_sha256(read.text_or(KUBERNETES + "/pki/ca.crt")),
        "server": server(read.text_or(KUBERNETES + "/kubelet.conf")),
        "joined": read.exists(KUBERNETES + "/kubelet.conf"),
        "admin_conf": read.exists(KUBERNETES + "/admin.conf"),
        "static_pods": [name.rpartition(".")[0] for name in manifests if name.endswith((".yaml", ".yml", ".json"))],
        "kubelet_version": kubelet_version(bin_dir),
        "serving_certificate": read.exists(SERVING),
        "kubelet_unit": any(read.exists(f"{directory}/kubelet.service") for directory in UNIT_DIRECTORIES),
    }


def certificate_sha256(pem: str) -> str | None:
    """SHA-256 fingerprint of the first certificate (hash of its DER), as hex; None if there is none."""
    match = re.search("-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    if match is None:
        return None
    try:
        return hashlib.sha256(base64.b64decode(match.group(1))).hexdigest()
    except ValueError:
        return None


def server(kubeconfig: str) -> str | None:
    """URL of the API server in a kubeconfig."""
    match = re.search(r"^\s*server:\s*[\"']?([^\s\"']+)", kubeconfig, re.MULTILINE)
    return match.group(1) if match else None


def kubelet_version(bin_dir: str) -> str | None:
    """Version without a v: as recorded if kprov installed the kubelet, else as it says itself (30 ms)."""
    recorded = records.artifact_version("kubelet")
    if recorded:
        return recorded.lstrip("v")
    kubelet = commands.find("kubelet", bin_dir)
    said = commands.output([kubelet, "--version"], 3.0) if kubelet else None
    match = re.search(r"v(\d+\.\d+\.\S+)", said or "")
    return match.group(1) if match else None
