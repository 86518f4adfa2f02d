"""What is written into the lab's inventory."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kprov.errors import InputError
from kprov.lab.directory import LabDirectory
from kprov.lab.inventory import (
    lab_variables,
    machine_variables,
    render_group_vars,
    render_inventory,
    resolve_version,
    with_bundle,
)
from kprov.lab.machine import Machine, detect
from kprov.lab.nodes import Node

MACHINES = Path(__file__).parent / "machines"
DIRECTORY = LabDirectory("demo", Path("/state/labs/demo"))
CONTROL_PLANE = Node("demo", "demo-cp1", "control_plane", "172.30.0.11", "running")
WORKER = Node("demo", "demo-w1", "worker", "172.30.0.101", "running")


def restricted() -> Machine:
    return detect(MACHINES / "cgroup-v1-without-sys-resource")


def plain() -> Machine:
    return replace(detect(MACHINES / "cgroup-v2-full"), swap=False, kernel_config=True)


def variables(machine: Machine) -> dict[str, object]:
    loaded = yaml.safe_load(render_group_vars(machine_variables(machine)))
    assert isinstance(loaded, dict)
    return loaded


def test_inventory() -> None:
    assert render_inventory(DIRECTORY, [CONTROL_PLANE, WORKER]) == (
        """\
# The lab demo. `kprov lab up` rewrites this file; settings go to group_vars/all.yml.

[kube_control_plane]
demo-cp1 ansible_host=172.30.0.11 ip=172.30.0.11

[etcd]
demo-cp1

[kube_node]
demo-w1 ansible_host=172.30.0.101 ip=172.30.0.101

[all:vars]
ansible_user=kprov
ansible_become=true
ansible_ssh_private_key_file=/state/labs/demo/id_ed25519
ansible_ssh_common_args=-o UserKnownHostsFile=/state/labs/demo/known_hosts -o StrictHostKeyChecking=yes
"""
    )


def test_a_lab_without_workers_runs_pods_on_its_control_plane() -> None:
    assert "[kube_node]\ndemo-cp1\n" in render_inventory(DIRECTORY, [CONTROL_PLANE])


def test_a_machine_that_withholds_much_gets_every_adjustment() -> None:
    found = variables(restricted())

    kubelet = found["kubelet_config"]
    assert isinstance(kubelet, dict)
    assert kubelet["featureGates"] == {"KubeletInUserNamespace": True}
    assert kubelet["failCgroupV1"] is False
    assert "failSwapOn" not in kubelet
    assert found["kubeadm_ignore_preflight_errors"] == ["SystemVerification"]
    assert found["container_runtime_restrict_oom_score_adj"] is True


def test_a_plain_machine_gets_only_what_every_container_node_needs() -> None:
    found = variables(plain())
    assert set(found) == {
        "kubelet_eviction_hard",
        "kubelet_image_gc_high_threshold",
        "kubelet_image_gc_low_threshold",
        "kubelet_resolv_conf",
        "kubelet_shutdown_grace_period",
        "kube_proxy_config",
    }
    assert found["kubelet_eviction_hard"] == {
        "nodefs.available": "1Gi",
        "nodefs.inodesFree": "1%",
        "imagefs.available": "1Gi",
        "imagefs.inodesFree": "1%",
        "pid.available": "1%",
    }


def test_swap_and_a_hidden_kernel_configuration_are_adjusted_for() -> None:
    found = variables(replace(plain(), swap=True, kernel_config=False))

    kubelet = found["kubelet_config"]
    assert isinstance(kubelet, dict)
    assert kubelet["failSwapOn"] is False
    assert found["kubeadm_ignore_preflight_errors"] == ["SystemVerification"]


def test_every_variable_says_why() -> None:
    text = render_group_vars(machine_variables(restricted()))

    for line_before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        if line and line[0].isalpha():
            assert line_before.startswith("# "), line


def test_variables_of_the_lab(tmp_path: Path) -> None:
    found = yaml.safe_load(render_group_vars(lab_variables("demo", "1.36", tmp_path / "bundle")))

    assert found == {
        "cluster_name": "demo",
        "kubernetes_version": "1.36",
        "artifacts_bundle": str(tmp_path / "bundle"),
    }


def test_version_is_the_newest_of_the_bundle(tmp_path: Path) -> None:
    releases = {"1.36.3": {}, "1.36.10": {}, "1.35.4": {}}
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "kprov.artifacts/v1", "releases": releases}))

    assert resolve_version("1.36", tmp_path) == "1.36.10"
    assert resolve_version("1.35", tmp_path) == "1.35.4"
    assert resolve_version("1.36.3", tmp_path) == "1.36.3"
    with pytest.raises(InputError, match=r"no Kubernetes 1\.34"):
        resolve_version("1.34", tmp_path)


def test_another_bundle_leaves_the_users_edits_alone() -> None:
    before = "# mine\ncluster_name: demo\nartifacts_bundle: /old\nx_mine: 1\n"

    assert with_bundle(before, "1.36", Path("/new/bundle")) == before.replace("/old", "/new/bundle")
    assert yaml.safe_load(with_bundle("cluster_name: demo\n", "1.36", Path("/new")))["artifacts_bundle"] == "/new"


def test_a_bundle_that_comes_later_tells_the_version_unless_somebody_chose_one(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"releases": {"1.36.3": {}, "1.35.4": {}}}))
    early = render_group_vars(lab_variables("demo", "1.36", Path("/not/yet")))

    assert yaml.safe_load(with_bundle(early, "1.36", tmp_path))["kubernetes_version"] == "1.36.3"
    chosen = early.replace("'1.36'", "1.35.4")
    assert yaml.safe_load(with_bundle(chosen, "1.36", tmp_path))["kubernetes_version"] == "1.35.4"
