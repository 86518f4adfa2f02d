"""Labels, taints, annotations, extended resources of Nodes: set, owned, removed, mended; those of others survive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kprov.content import content_root
from tests.e2e.cluster import Completed, LabCluster, wait_until
from tests.e2e.journal import RunningUp

DONGLE = "example.com/dongle"
SETTINGS: dict[str, Any] = {
    "node_labels": {"topology.kubernetes.io/zone": "rack-1", "example.com/disk": "nvme"},
    "node_taints": [{"key": "example.com/dedicated", "value": "db", "effect": "NoSchedule"}],
    "node_annotations": {"example.com/owner": "storage team, phone 4711"},
    "node_extended_resources": {DONGLE: 2000},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "e2e-node", "namespace": "default"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "example.com/dedicated", "operator": "Exists"}],
        "containers": [
            {
                "name": "pause",
                "image": "registry.k8s.io/pause:3.10.2",
                "resources": {"requests": {DONGLE: "3"}, "limits": {DONGLE: "3"}},
            }
        ],
    },
}


class Inventory:
    """The cluster's inventory with variables of hosts beside it, for a test to change."""

    def __init__(self, lab: LabCluster, directory: Path) -> None:
        self.lab = LabCluster(lab.name, directory / "inventory.ini")
        self._directory = directory
        self.lab.inventory.write_text(lab.inventory.read_text())
        (directory / "group_vars").symlink_to(lab.inventory.parent / "group_vars")
        (directory / "host_vars").mkdir()

    def set(self, short: str, **variables: Any) -> None:
        """The variables of a host, instead of those before."""
        path = self._directory / "host_vars" / f"{self.lab.node(short)}.yml"
        path.write_text(yaml.safe_dump(variables))

    def node(self, short: str = "w1") -> dict[str, Any]:
        """The Node object."""
        found: dict[str, Any] = json.loads(self.lab.kubectl("get", "node", self.lab.node(short), "-o", "json"))
        return found

    def reasons(self) -> list[str]:
        """What the plan says; it has to be about this phase only."""
        plan = self.lab.kprov("plan")
        assert {step["phase"] for step in plan.data["steps"]} <= {"node"}, plan.data["steps"]
        return [reason for step in plan.data["steps"] for reason in step["reasons"]]

    def up(self) -> Completed:
        """`kprov up` without its verification, which other tests are about."""
        return self.lab.up("--no-verify")

    def owns_a_record(self) -> bool:
        """Whether the phase has a record in the cluster."""
        return bool(self.lab.kubectl("-n", "kube-system", "get", "configmap", "kprov-node", "--ignore-not-found"))


@pytest.fixture(scope="module")
def copy(cluster: LabCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    """A copy of the cluster's inventory; at the end the cluster is put back by its own."""
    made = Inventory(cluster, tmp_path_factory.mktemp("node"))
    yield made
    cluster.up("--no-verify")
    assert not made.owns_a_record()
    assert cluster.kprov("plan").exit_code == 0


@pytest.fixture
def inventory(copy: Inventory) -> Inventory:
    """Everything set on w1, nothing elsewhere."""
    copy.set("w1", **SETTINGS)
    copy.set("w2")
    copy.up()
    return copy


def taints(node: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(t["key"], t.get("value", ""), t["effect"]) for t in node["spec"].get("taints", ())}


def assert_all_set(node: dict[str, Any]) -> None:
    assert SETTINGS["node_labels"].items() <= node["metadata"]["labels"].items()
    assert SETTINGS["node_annotations"].items() <= node["metadata"]["annotations"].items()
    assert ("example.com/dedicated", "db", "NoSchedule") in taints(node)
    assert (node["status"]["capacity"].get(DONGLE), node["status"]["allocatable"].get(DONGLE)) == ("2k", "2k")


def test_settings_are_on_their_node_only_and_a_second_run_starts_no_ansible(inventory: Inventory) -> None:
    assert_all_set(inventory.node("w1"))
    assert not SETTINGS["node_labels"].items() & inventory.node("w2")["metadata"]["labels"].items()
    assert inventory.reasons() == []
    assert inventory.up().data["module_calls"] == {}


def test_first_run_costs_one_module_call(inventory: Inventory) -> None:
    inventory.set("w2", node_labels={"example.com/disk": "hdd"})
    assert inventory.reasons() == [
        f"input node_labels of {inventory.lab.node('w2')} (unset) -> {{'example.com/disk': 'hdd'}}"
    ]
    done = inventory.up()
    lock_and_unlock = 2
    assert done.data["module_calls"] == {inventory.lab.node("cp1"): 1 + lock_and_unlock}


def test_what_leaves_the_inventory_leaves_the_node_and_what_others_set_stays(inventory: Inventory) -> None:
    name = inventory.lab.node("w1")
    before = inventory.node()
    try:
        inventory.lab.kubectl("label", "node", name, "example.com/foreign=kept")
        inventory.lab.kubectl("taint", "node", name, "example.com/foreign=kept:PreferNoSchedule")
        inventory.lab.kubectl("cordon", name)
        inventory.set("w1", node_labels={"example.com/disk": "hdd"})
        inventory.up()
        node = inventory.node()
        labels = dict(before["metadata"]["labels"])
        del labels["topology.kubernetes.io/zone"]
        assert node["metadata"]["labels"] == {**labels, "example.com/disk": "hdd", "example.com/foreign": "kept"}
        assert "example.com/owner" not in node["metadata"]["annotations"]
        assert (
            before["metadata"]["annotations"].keys() - {"example.com/owner"} == node["metadata"]["annotations"].keys()
        )
        assert taints(node) == {
            ("example.com/foreign", "kept", "PreferNoSchedule"),
            ("node.kubernetes.io/unschedulable", "", "NoSchedule"),
        }
        assert DONGLE not in node["status"]["capacity"]
        inventory.set("w1")
        inventory.up()
        assert not inventory.owns_a_record()
        assert "example.com/disk" not in inventory.node()["metadata"]["labels"]
        assert inventory.node()["metadata"]["labels"]["example.com/foreign"] == "kept"
    finally:
        inventory.lab.kubectl("uncordon", name)
        inventory.lab.kubectl("label", "node", name, "example.com/foreign-")
        inventory.lab.kubectl("taint", "node", name, "example.com/foreign-")


def test_drift_is_named_key_by_key_and_repaired(inventory: Inventory) -> None:
    name = inventory.lab.node("w1")
    inventory.lab.kubectl("label", "node", name, "example.com/disk=tape", "--overwrite")
    inventory.lab.kubectl("annotate", "node", name, "example.com/owner-")
    inventory.lab.kubectl("taint", "node", name, "example.com/dedicated-")
    inventory.lab.kubectl(
        *("patch", "node", name, "--subresource=status", "--type=merge"),
        *("-p", json.dumps({"status": {"capacity": {DONGLE: "0"}}})),
    )
    assert sorted(inventory.reasons()) == [
        f"annotation example.com/owner of Node {name} is missing",
        f"extended resource {DONGLE} of Node {name} is '0', not '2k'",
        f"label example.com/disk of Node {name} is 'tape', not 'nvme'",
        f"taint example.com/dedicated:NoSchedule of Node {name} is missing",
    ]
    inventory.up()
    assert_all_set(inventory.node())
    assert inventory.reasons() == []


def test_check_says_so_and_changes_nothing(inventory: Inventory) -> None:
    name = inventory.lab.node("w1")
    inventory.lab.kubectl("label", "node", name, "example.com/disk-")
    before = inventory.node()["metadata"]["labels"]
    record = inventory.lab.kubectl("-n", "kube-system", "get", "configmap", "kprov-node", "-o", "json")
    assert inventory.lab.up("--check").data["changed_hosts"] == [inventory.lab.node("cp1")]
    assert inventory.node()["metadata"]["labels"] == before
    assert inventory.lab.kubectl("-n", "kube-system", "get", "configmap", "kprov-node", "-o", "json") == record


def test_value_that_somebody_else_has_set_is_a_conflict_that_force_ends(inventory: Inventory) -> None:
    name = inventory.lab.node("w2")
    try:
        inventory.lab.kubectl("label", "node", name, "example.com/disk=tape")
        inventory.set("w2", node_labels={"example.com/disk": "hdd", "example.com/new": "x"})
        refused = inventory.lab.kprov("up", "--yes", "--no-verify")
        assert refused.exit_code not in (0, 1)
        message = f"label example.com/disk of Node {name} is 'tape' (set by kubectl-label), the inventory says 'hdd'"
        assert message in refused.stderr
        assert "example.com/new" not in inventory.node("w2")["metadata"]["labels"]
        inventory.set("w2", node_labels={"example.com/disk": "hdd"}, node_force_conflicts=True)
        inventory.up()
        assert inventory.node("w2")["metadata"]["labels"]["example.com/disk"] == "hdd"
    finally:
        inventory.set("w2")
        inventory.up()
    assert "example.com/disk" not in inventory.node("w2")["metadata"]["labels"]


def test_node_that_was_deleted_and_registered_anew_gets_everything_again(inventory: Inventory) -> None:
    name = inventory.lab.node("w1")
    old = inventory.node()["metadata"]["uid"]
    inventory.lab.kubectl("delete", "node", name)
    inventory.lab.ssh("w1", "systemctl restart kubelet")
    wait_until("a new Node", lambda: name in inventory.lab.kubectl("get", "nodes", "-o", "name"))
    assert inventory.node()["metadata"]["uid"] != old
    assert inventory.reasons() == [
        f"Node {name} is new, without annotation example.com/owner, extended resource {DONGLE}, "
        "label example.com/disk, label topology.kubernetes.io/zone, taint example.com/dedicated:NoSchedule"
    ]
    inventory.up()
    assert_all_set(inventory.node())
    wait_until("the kubelet has registered and changes nothing", lambda: inventory.reasons() == [], seconds=30)
    inventory.lab.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=90s")


def test_node_that_is_gone_joins_and_is_set_in_one_run(inventory: Inventory) -> None:
    name = inventory.lab.node("w1")
    inventory.lab.kubectl("delete", "node", name)
    plan = inventory.lab.kprov("plan").data["steps"]
    assert [(s["phase"], s["host"]) for s in plan] == [("worker", name), ("node", inventory.lab.node("cp1"))]
    assert plan[-1]["reasons"] == [f"joining in this run: {name}"]
    inventory.up()
    assert_all_set(inventory.node())
    assert inventory.reasons() == []
    inventory.lab.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=90s")


def test_killed_run_is_resumed_and_still_knows_what_is_its_own(inventory: Inventory) -> None:
    inventory.set("w2", node_labels={"example.com/disk": "hdd"})
    with RunningUp(inventory.lab, "--no-verify") as run:
        run.wait_for("node")
        run.kill()
    inventory.up()
    assert inventory.node("w2")["metadata"]["labels"]["example.com/disk"] == "hdd"
    assert inventory.reasons() == []
    inventory.set("w2")
    inventory.up()
    assert "example.com/disk" not in inventory.node("w2")["metadata"]["labels"]


def test_plain_ansible_does_the_same(inventory: Inventory) -> None:
    inventory.set("w2", node_labels={"example.com/disk": "hdd"})
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory.lab.inventory)]
    command.append(str(content_root() / "playbooks/node.yml"))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(content_root() / "ansible.cfg")}
    for changed in (1, 0):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout
        assert f"changed={changed} " in done.stdout
    assert inventory.node("w2")["metadata"]["labels"]["example.com/disk"] == "hdd"
    assert inventory.reasons() == ["was run without kprov, so its inputs are unknown"]


def test_pods_get_the_extended_resource(inventory: Inventory) -> None:
    inventory.lab.ssh("cp1", f"cat > /run/e2e-pod.json <<'EOF'\n{json.dumps(POD)}\nEOF")
    get = ("get", "pod", "e2e-node", "-o")
    try:
        inventory.lab.kubectl("create", "-f", "/run/e2e-pod.json")
        inventory.lab.kubectl("wait", "--for=condition=Ready", "pod/e2e-node", "--timeout=60s")
        assert inventory.lab.kubectl(*get, "jsonpath={.spec.nodeName}") == inventory.lab.node("w1")
        inventory.lab.kubectl("delete", "pod", "e2e-node")
        inventory.set("w1", **{**SETTINGS, "node_extended_resources": {DONGLE: 2}})
        inventory.up()
        inventory.lab.kubectl("create", "-f", "/run/e2e-pod.json")
        wait_until("the scheduler says why", lambda: f"Insufficient {DONGLE}" in inventory.lab.kubectl(*get, "json"))
    finally:
        inventory.lab.kubectl("delete", "pod", "e2e-node", "--ignore-not-found")
