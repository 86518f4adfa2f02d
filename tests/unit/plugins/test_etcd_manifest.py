"""Flags of an etcd member that has joined others change; the way it has joined does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.module_utils import kprov_etcd_manifest as etcd_manifest
from ansible.module_utils import kprov_kubeadm_run as run

ALONE = """spec:
  containers:
  - command:
    - etcd
    - --initial-advertise-peer-urls=https://10.0.0.2:2380
    - --initial-cluster=cp2=https://10.0.0.2:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
"""
MEMBER = ALONE.replace(
    "=cp2=https://10.0.0.2:2380\n",
    "=cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380\n    - --initial-cluster-state=existing\n",
)
QUOTA = "    - --quota-backend-bytes=1\n"
# What `kubeadm init phase etcd local --dry-run` does with its directory.
KUBEADM = """#!/bin/sh
[ "$*" = "init phase etcd local --config /kubeadm.yaml --dry-run" ] || exit 1
cp {alone} $KUBEADM_INIT_DRYRUN_DIR/etcd.yaml
"""


@pytest.fixture
def manifest(node: Path) -> Path:
    path = node / "etc/kubernetes/manifests/etcd.yaml"
    path.parent.mkdir(parents=True)
    (node / "run").mkdir(exist_ok=True)
    path.write_text(MEMBER)
    kubeadm = node / "bin/kubeadm"
    kubeadm.parent.mkdir()
    kubeadm.write_text(KUBEADM.format(alone=node / "alone.yaml"))
    kubeadm.chmod(0o755)
    return path


def rewrite(node: Path, alone: str) -> None:
    (node / "alone.yaml").write_text(alone)
    etcd_manifest.rewrite(run.Runner("control_plane", str(node / "bin"), []), "/kubeadm.yaml", 20)


def test_only_the_flag_that_changed_changes(node: Path, manifest: Path) -> None:
    rewrite(node, ALONE + QUOTA)
    assert manifest.read_text() == MEMBER + QUOTA
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert list((node / "run").iterdir()) == []


def test_an_equal_manifest_is_not_written(node: Path, manifest: Path) -> None:
    os.utime(manifest, ns=(1, 1))
    rewrite(node, ALONE)
    assert manifest.stat().st_mtime_ns == 1


def test_who_has_joined_is_told_by_the_manifest(node: Path, manifest: Path) -> None:
    assert etcd_manifest.has_joined(etcd_manifest.present())
    manifest.write_text(ALONE)
    assert not etcd_manifest.has_joined(etcd_manifest.present())
    manifest.unlink()
    assert not etcd_manifest.has_joined(etcd_manifest.present())


def test_a_manifest_of_kubeadm_that_looks_otherwise_is_refused(node: Path, manifest: Path) -> None:
    with pytest.raises(run.StepError, match="--initial-cluster"):
        rewrite(node, "spec: {}\n")
    assert manifest.read_text() == MEMBER
