"""containerd's root moves to another disk of a worker with pods; killed in the middle, confirmed, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Completed, LabCluster, another_inventory, kprov, wait_until
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

OLD, NEW = "/var/lib/containerd", "/data/disk/containerd"
# Another volume of the node: unlike a tmpfs it is there after a reboot.
VOLUME = "/var/lib/docker/containerd"
# A disk that another program writes to, too, and that program: it leaves less than the copy needs, and takes that, too,
# when a part of the copy is there.
DISK = "/data/shared"
SHARED, OTHER = f"{DISK}/containerd", f"{DISK}/of-another-program"
WRITER = f"""
fallocate -l $(( $(df --output=avail -B1 {DISK} | tail -n 1) - 200 * 1024 * 1024 )) {OTHER}
until [ "$(du -sm {SHARED} | cut -f1)" -ge 40 ]; do :; done
head -c 4G /dev/zero >> {OTHER} || true
"""
IMAGE = "registry.k8s.io/pause:3.10.2"
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "e2e-root"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "e2e-root"}},
        "template": {
            "metadata": {"labels": {"app": "e2e-root"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "pause", "image": IMAGE}]},
        },
    },
}


class Worker:
    """The node that moves; the tests below go on from each other."""

    def __init__(self, lab: LabCluster, directory: Path) -> None:
        self.lab = LabCluster(lab.name, another_inventory(lab, directory))
        self.name = lab.node("w1")
        self._variables = directory / "host_vars" / f"{self.name}.yml"
        self._variables.parent.mkdir()

    def wants(self, root: str) -> None:
        self._variables.write_text(yaml.safe_dump({"container_runtime_root": root}))

    def root(self, verb: str, *arguments: str) -> Completed:
        return kprov("runtime-root", verb, str(self.lab.inventory), "--host", self.name, *arguments)

    def plug_in(self, path: str, size: str) -> None:
        """A disk, until the next reboot."""
        self.lab.ssh("w1", f"mountpoint -q {path} || (mkdir -p {path} && mount -t tmpfs -o size={size} disk {path})")

    def begin_on_a_disk_that_somebody_fills(self) -> Completed:
        """A move to SHARED, which is big enough until another writer takes all of it while the copy is under way."""
        used = int(self.lab.ssh("w1", f"du -smx {OLD}").split()[0])
        self.plug_in(DISK, f"{int(used * 1.1) + 1200}m")  # the lab's kubelets want 1 GiB to be free
        self.wants(SHARED)
        with RunningUp(self.lab, "--host", self.name, verb=("runtime-root", "migrate")) as run:
            run.wait_for_task("Stop kubelet, containers and runtime")  # so the room was judged to be enough
            self.lab.ssh("w1", WRITER)
            return run.finish()

    def lives_in(self) -> str:
        return str(json.loads(self.lab.ssh("w1", "crictl info"))["config"]["containerdRootDir"])

    def images(self) -> dict[str, str]:
        listed = json.loads(self.lab.ssh("w1", "crictl images -o json"))["images"]
        return {tag: image["id"] for image in listed for tag in image["repoTags"]}

    def node(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lab.kubectl("get", "node", self.name, "-o", "json"))
        return found

    def wait_until_it_answers(self) -> None:
        """After a boot: SSH and containerd."""
        active = "systemctl is-active containerd"
        wait_until("containerd runs", lambda: self.lab.ssh("w1", active, check=False).strip() == "active", 90)

    def untouched(self, *nodes: str) -> dict[str, str]:
        """What stays the same on nodes that nothing is done to; pods may come there, as evicted ones do."""
        units = "systemctl show -p InvocationID containerd kubelet"
        return {**self.lab.files(*nodes), **{f"{node} units": self.lab.ssh(node, units) for node in nodes}}

    def wait_for_pods(self) -> None:
        self.lab.kubectl("rollout", "status", "deployment/e2e-root", "--timeout=90s")
        self.lab.kubectl("wait", "--for=condition=Ready", f"node/{self.name}", "--timeout=60s")

    def moves(self) -> dict[str, str]:
        """Codes of what `kprov plan` says of moves, with their severity."""
        problems = self.lab.kprov("plan").envelope["problems"]
        return {p["code"]: p["severity"] for p in problems if p["code"].startswith("runtime-root")}


@pytest.fixture(scope="module")
def worker(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    lab = make_lab("root", workers=1)
    lab.up("--no-verify")
    made = Worker(lab, tmp_path_factory.mktemp("root"))
    lab.ssh("cp1", f"cat > /run/e2e.json <<'EOF'\n{json.dumps(DEPLOYMENT)}\nEOF")
    lab.kubectl("create", "-f", "/run/e2e.json")
    made.wait_for_pods()
    yield made


def test_a_node_that_lost_power_while_it_copied_is_stopped_and_copied_again(worker: Worker) -> None:
    """In between the runtime has run on the old directory: what it changed there has to be in the new one.

    All processes end at once and the node boots again; what was written is not lost, as it may be on a disk.
    """
    images = worker.images()
    worker.wants(VOLUME)
    with RunningUp(worker.lab, "--host", worker.name, verb=("runtime-root", "migrate")) as run:
        run.wait_for_task("Copy to the new root directory")
        for power in ("kill", "on"):
            assert kprov("lab", "power", worker.name, power).exit_code == 0
        run.kill()
    worker.wait_until_it_answers()
    moved = worker.root("migrate", "--yes")
    assert moved.exit_code == 0, moved.stderr
    assert "containerd has run since" in moved.stderr
    assert (worker.lives_in(), worker.images()) == (VOLUME, images)
    worker.wait_for_pods()
    back = worker.root("abort", "--yes")
    assert back.exit_code == 0, back.stderr
    assert (worker.lives_in(), worker.images()) == (OLD, images)
    assert worker.lab.ssh("w1", "ls -A /var/lib/docker").strip() == ""
    worker.wait_for_pods()


def test_a_disk_that_fills_up_while_it_copies_is_named_and_abort_brings_the_node_back(worker: Worker) -> None:
    images, other = worker.images(), worker.untouched("cp1")
    failed = worker.begin_on_a_disk_that_somebody_fills()
    assert failed.exit_code == 13, failed.stderr
    assert f"no space was left while {OLD} was copied to {SHARED}: its file system has 0.0 of " in failed.stderr
    assert "No space left on device" in failed.stderr
    assert worker.moves() == {"runtime-root-move": "error"}
    back = worker.root("abort", "--yes")
    assert back.exit_code == 0, back.stderr
    assert (worker.lives_in(), worker.images()) == (OLD, images)
    assert worker.lab.ssh("w1", f"ls {DISK}").split() == ["of-another-program"], "what others wrote is theirs"
    assert not worker.node()["spec"].get("unschedulable")
    worker.wait_for_pods()
    assert worker.untouched("cp1") == other
    worker.lab.ssh("w1", f"umount {DISK}")


def test_a_disk_that_fills_up_while_it_copies_gets_room_and_the_move_goes_on(worker: Worker) -> None:
    images = worker.images()
    failed = worker.begin_on_a_disk_that_somebody_fills()
    assert "no space was left while" in failed.stderr
    worker.lab.ssh("w1", f"rm {OTHER}")
    moved = worker.root("migrate", "--yes")
    assert moved.exit_code == 0, moved.stderr
    assert "goes on after: stopped" in moved.stderr
    assert (worker.lives_in(), worker.images()) == (SHARED, images)
    worker.wait_for_pods()
    back = worker.root("abort", "--yes")
    assert back.exit_code == 0, back.stderr
    assert (worker.lives_in(), worker.images()) == (OLD, images)
    worker.wait_for_pods()


def test_up_refuses_another_directory_and_names_the_command(worker: Worker) -> None:
    worker.wants(NEW)
    refused = worker.lab.kprov("up", "--yes")
    assert refused.exit_code == 12
    assert f"kprov runtime-root migrate --host {worker.name}" in refused.stderr
    assert worker.lives_in() == OLD


def test_a_disk_that_is_too_small_is_refused_with_numbers(worker: Worker) -> None:
    worker.plug_in("/data/small", "64m")
    worker.wants("/data/small/containerd")
    before = worker.untouched("w1", "cp1")
    refused = worker.root("migrate", "--yes")
    assert refused.exit_code == 12
    assert "/data/small has 0.1 GiB free; needed: " in refused.stderr
    assert worker.untouched("w1", "cp1") == before


def test_dry_run_says_what_and_changes_nothing(worker: Worker) -> None:
    worker.plug_in("/data/disk", "6g")
    worker.wants(NEW)
    before = worker.untouched("w1", "cp1")
    said = worker.root("migrate", "--dry-run")
    assert said.exit_code == 0, said.stderr
    assert f"{worker.name}: {OLD} -> {NEW}" in said.data["lines"]
    assert worker.root("migrate").exit_code == 10, "without a terminal somebody has to say --yes"
    assert worker.untouched("w1", "cp1") == before
    assert worker.moves() == {"runtime-root-changed": "error"}


def test_a_budget_of_disruption_is_kept_and_named(worker: Worker) -> None:
    worker.lab.kubectl("create", "poddisruptionbudget", "e2e-root", "--selector=app=e2e-root", "--min-available=2")
    refused = worker.root("migrate", "--yes", "--timeout", "6")
    assert refused.exit_code == 13
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
    assert worker.node()["spec"]["unschedulable"]
    assert worker.lives_in() == OLD
    worker.lab.kubectl("delete", "poddisruptionbudget", "e2e-root")


def test_killed_while_it_copies_it_goes_on_and_ends(worker: Worker) -> None:
    images, other = worker.images(), worker.untouched("cp1")
    with RunningUp(worker.lab, "--host", worker.name, verb=("runtime-root", "migrate")) as run:
        run.wait_for_task("Copy to the new root directory")
        run.kill()
    assert worker.moves() == {"runtime-root-move": "error"}
    assert worker.lab.kprov("up", "--yes").exit_code == 12
    done = worker.root("migrate", "--yes")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"goes on after: (stopped|copied)", done.stderr), done.stderr  # the copy goes on by itself
    assert worker.lives_in() == NEW
    assert worker.images() == images
    assert not worker.node()["spec"].get("unschedulable")
    assert "kprov/cordoned-for" not in worker.node()["metadata"]["annotations"]
    worker.wait_for_pods()
    assert worker.untouched("cp1") == other


def test_up_finds_nothing_to_do_and_says_that_the_old_directory_is_there(worker: Worker) -> None:
    again = worker.lab.up("--no-verify")
    assert again.data["module_calls"] == {}
    assert worker.moves() == {"runtime-root-move": "warning"}
    assert worker.root("migrate", "--yes").data["message"].startswith("moved on ")


def test_confirm_removes_the_old_directory_and_nothing_else(worker: Worker) -> None:
    assert worker.lab.ssh("w1", f"ls {OLD}").strip()
    done = worker.root("confirm", "--yes")
    assert done.exit_code == 0, done.stderr
    assert worker.lab.ssh("w1", f"ls -A {OLD}").strip() == ""
    assert worker.moves() == {}
    assert worker.lives_in() == NEW
    assert worker.lab.kprov("plan").exit_code == 0
    worker.wait_for_pods()


def test_a_move_that_was_made_is_taken_back(worker: Worker) -> None:
    """The target is a disk's own mount point now, as it often is."""
    worker.wants(OLD)
    worker.lab.kubectl("cordon", worker.name)
    moved = worker.root("migrate", "--yes")
    assert moved.exit_code == 0, moved.stderr
    assert worker.lives_in() == OLD
    back = worker.root("abort", "--yes")
    assert back.exit_code == 0, back.stderr
    assert worker.lives_in() == NEW
    assert worker.lab.ssh("w1", f"ls -A {OLD}").strip() == ""
    assert worker.node()["spec"].get("unschedulable"), "who cordoned it uncordons it"
    worker.lab.kubectl("uncordon", worker.name)
    assert worker.moves() == {"runtime-root-changed": "error"}
    worker.wants(NEW)
    assert worker.lab.kprov("plan").exit_code == 0
    worker.wait_for_pods()


def test_aborted_in_the_middle_the_node_is_as_it_was(worker: Worker) -> None:
    worker.wants(OLD)
    images = worker.images()
    with RunningUp(worker.lab, "--host", worker.name, verb=("runtime-root", "migrate")) as run:
        run.wait_for_task("Compare the two directories")
        run.kill()
    back = worker.root("abort", "--yes")
    assert back.exit_code == 0, back.stderr
    worker.wants(NEW)
    assert (worker.lives_in(), worker.images()) == (NEW, images)
    assert worker.lab.ssh("w1", f"ls -A {OLD}").strip() == ""
    assert not worker.node()["spec"].get("unschedulable")
    assert worker.lab.kprov("plan").exit_code == 0
    worker.wait_for_pods()
