"""The real kubeadm in a directory of its own: its files are judged by its own list of names and dates. No cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kprov.certs.finding import Limits
from kprov.certs.item import Renewer
from kprov.certs.rules import judge
from tests.unit.certs.nodes import PKI, Node
from tests.unit.certs.test_layouts import AUTHORITIES, KUBEADM, LIMITS

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kprov/components"
BUILT = sorted(CACHE.glob("kubernetes-*/kubeadm"))
DAY = 86_400.0
CONFIG = """apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{version}
controlPlaneEndpoint: 10.1.0.100:6443
networking: {{serviceSubnet: 10.96.0.0/12}}
encryptionAlgorithm: {algorithm}
certificateValidityPeriod: {hours}h0m0s
apiServer: {{certSANs: [api.example.org, "fd00::9"]}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 10.1.0.1}}
nodeRegistration: {{name: cp1, criSocket: unix:///run/x}}
"""

pytestmark = [
    pytest.mark.skipif(not BUILT, reason="no kubeadm: kprov lab up builds it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root"),
]


class Kubeadm:
    """kubeadm, whose root directory is the node's. It is one static file."""

    def __init__(self, node: Node, algorithm: str = "RSA-2048", hours: int = 8760) -> None:
        self.node = node
        self.version = BUILT[-1].parent.name.split("-")[1]
        shutil.copy(BUILT[-1], node.path("/kubeadm"))
        node.path("/tmp").mkdir()
        self.configure(algorithm, hours)
        self("init", "phase", "certs", "all", "--config", "/config.yaml")
        self("init", "phase", "kubeconfig", "all", "--config", "/config.yaml")

    def configure(self, algorithm: str, hours: int) -> None:
        self.node.put("/config.yaml", CONFIG.format(version=self.version, algorithm=algorithm, hours=hours))

    def __call__(self, *arguments: str) -> str:
        argv = ["/kubeadm", *arguments]
        root = str(self.node.root)
        # chroot(8) reads no user database and enters nothing else.
        done = subprocess.run(["chroot", root, *argv], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def expiration(self) -> dict[str, Any]:
        """Name to entry of its own list."""
        out = self("certs", "check-expiration", "--config", "/config.yaml", "-o", "json")
        said = json.loads(out[out.index("{") :])
        return {one["name"]: one for one in (*said["certificates"], *said["certificateAuthorities"])}


@pytest.mark.parametrize("algorithm", ["RSA-2048", "ECDSA-P256"])
def test_names_and_dates_are_kubeadm_s_own(node: Node, algorithm: str) -> None:
    said = Kubeadm(node, algorithm).expiration()
    assert said.keys() == KUBEADM | AUTHORITIES
    inventory = node.inventory()
    found = {item.name: item for item in inventory.items if item.name in said}
    dates = {name: item.certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ") for name, item in found.items()}
    assert dates == {name: entry["expirationDate"] for name, entry in said.items()}
    assert {name for name, item in found.items() if item.renewer is Renewer.KUBEADM} == KUBEADM
    assert inventory.unread == ()
    # The kubelet's file holds its first certificate, until the kubelet has fetched one of its own.
    assert {one.name for one in judge(inventory, LIMITS)} <= {"kubelet.conf"}


def test_keys_belong_and_are_private(node: Node) -> None:
    Kubeadm(node)
    keys = {item.name: item.key for item in node.inventory().items if item.key}
    assert keys.keys() >= KUBEADM | AUTHORITIES
    assert {(key.mode, key.problem) for key in keys.values()} == {(0o600, None)}


def test_twenty_days(node: Node) -> None:
    kubeadm = Kubeadm(node)
    kubeadm.configure("RSA-2048", 20 * 24)
    kubeadm("certs", "renew", "apiserver", "--config", "/config.yaml")
    inventory = node.inventory()
    (finding,) = judge(inventory, LIMITS)
    assert (finding.code, finding.severity, finding.name) == ("expires", "warning", "apiserver")
    assert judge(inventory, Limits(19 * DAY, 7 * DAY)) == ()
    assert judge(inventory, Limits(30 * DAY, 21 * DAY))[0].severity == "critical"


def test_without_the_ca_s_key_kubeadm_says_external_too(node: Node) -> None:
    kubeadm = Kubeadm(node)
    node.remove(f"{PKI}/ca.key")
    said = kubeadm.expiration()
    external = {name for name, entry in said.items() if name in KUBEADM and entry["externallyManaged"]}
    found = {item.name for item in node.inventory().items if item.renewer is Renewer.EXTERNAL}
    assert found == external
    assert "apiserver" in external


def test_what_is_missing_for_kubeadm_is_no_item(node: Node) -> None:
    kubeadm = Kubeadm(node)
    node.remove("/etc/kubernetes/super-admin.conf")
    missing = {name for name, entry in kubeadm.expiration().items() if entry.get("missing")}
    assert missing == {"super-admin.conf"}
    assert {item.name for item in node.inventory().items} & (KUBEADM | AUTHORITIES) == (KUBEADM | AUTHORITIES) - missing


def test_names_that_kubeadm_put_into_the_certificate(node: Node) -> None:
    Kubeadm(node)
    (item,) = node.inventory().all_named("apiserver")
    assert all(item.certificate.names(name) for name in ("api.example.org", "fd00::9", "10.1.0.100", "kubernetes"))
    assert not item.certificate.names("10.1.0.2")


def test_renewed_by_kubeadm_and_copied_by_nobody(node: Node) -> None:
    """F-6: after a renewal ~/.kube/config is an old copy."""
    kubeadm = Kubeadm(node)
    node.put("/root/.kube/config", node.path("/etc/kubernetes/admin.conf").read_text(), 0o600)
    (copy,) = (item for item in node.inventory().items if item.place == "/root/.kube/config")
    kubeadm("certs", "renew", "admin.conf", "--config", "/config.yaml")
    (old,) = (item for item in node.inventory().items if item.place == "/root/.kube/config")
    assert (copy.renewer, old.renewer) == (Renewer.COPY, Renewer.NOBODY)
    assert old.certificate == copy.certificate
