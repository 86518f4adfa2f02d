"""`kprov node clean`: exactly what nobody needs, listed and removed; kubelet and API server dead, the disk full.

containerd's root is a file system of its own here, so that its free bytes tell what the removal has brought.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import READY, Completed, LabCluster, change, kprov, wait_until
from tests.e2e.conftest import MakeLab, Measured

DISK = "/data"
ROOT = f"{DISK}/containerd"
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"  # in the bundle, for `kprov verify`
UNUSED = ("example.org/unused:1", "example.org/unused:2")
MIB = 2**20

# A docker archive with two layers: one that all images made here share, and one of random bytes. Quotes: see ssh().
IMAGE = """
import hashlib, io, json, os, sys, tarfile
def tar(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
shared, own = tar(shared=b"x" * 100000), tar(own=os.urandom(int(sys.argv[2])))
ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in (shared, own)]
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}
manifest = [{"Config": "config.json", "RepoTags": [sys.argv[1]], "Layers": ["shared.tar", "own.tar"]}]
text = [json.dumps(one).encode() for one in (manifest, config)]
sys.stdout.buffer.write(tar(manifest_json=text[0], config_json=text[1], shared_tar=shared, own_tar=own))
"""
CRASH = {"name": "crash", "image": AGNHOST, "imagePullPolicy": "Never", "args": ["nosuch"]}
# What is left of a pod that the kubelet does not know. It has a log: for a container without one kubelet 1.36 removes
# what it can of its own working directory, /.
LEFT_POD = {
    "metadata": {"name": "left", "namespace": "default", "uid": "left-uid"},
    "log_directory": "/var/log/pods/default_left_left-uid",
    "linux": {"cgroup_parent": "kubepods.slice"},
}
LEFT = {
    "metadata": {"name": "left"},
    "image": {"image": AGNHOST},
    "args": ["nosuch"],
    "log_path": "left.log",
    "linux": {},
    "labels": {
        "io.kubernetes.container.name": "left",
        "io.kubernetes.pod.name": "left",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": "left-uid",
    },
}
# The kubelet itself removes superseded containers once a minute, and what it does not know at once.
STOP_IN_TIME = """
until [ "$(crictl ps -a -q --state Exited --name crash | wc -l)" -gt 1 ]; do sleep 0.2; done; systemctl stop kubelet
"""


class Node:
    """The lab's only node."""

    def __init__(self, lab: LabCluster) -> None:
        self.lab = lab
        self.name = lab.node("cp1")

    def ssh(self, command: str) -> str:
        return self.lab.ssh("cp1", command)

    def clean(self, *arguments: str) -> Completed:
        return kprov("node", "clean", self.name, str(self.lab.inventory), *arguments)

    def running(self) -> list[str]:
        """Ids of containers and sandboxes that run."""
        return sorted(self.ssh("crictl ps -q --no-trunc; crictl pods -q --no-trunc --state Ready").split())

    def containers(self, name: str) -> list[dict[str, Any]]:
        """Those of a name that have ended, newest first."""
        listed: list[dict[str, Any]] = json.loads(self.ssh(f"crictl ps -a --state Exited --name {name} -o json"))[
            "containers"
        ]
        return listed

    def write(self, path: str, document: dict[str, Any]) -> None:
        self.ssh(f"cat > {path} <<'EOF'\n{json.dumps(document)}\nEOF")

    def import_images(self) -> None:
        self.ssh(f"cat > /run/image.py <<'EOF'\n{IMAGE}\nEOF")
        for number, name in enumerate(UNUSED, 1):
            self.ssh(f"python3 /run/image.py {name} {number * 4 * MIB} | ctr -n k8s.io images import -")

    def images(self) -> set[str]:
        listed = json.loads(self.ssh("crictl images -o json"))["images"]
        return {tag for image in listed for tag in image["repoTags"]}

    def stop_control_plane(self) -> None:
        """The API server, and what ends without it after a while. With the kubelet stopped nobody starts them again."""
        self.ssh("crictl stop $(crictl ps -q --name '^kube-(apiserver|scheduler|controller-manager)$')")

    def start(self) -> None:
        self.ssh("systemctl start kubelet")
        wait_until("the API server answers", lambda: self.lab.ssh("cp1", READY, check=False).strip() == "ok")


@pytest.fixture(scope="module")
def node(make_lab: MakeLab) -> Iterator[Node]:
    lab = make_lab("clean", 1, 0)
    lab.ssh("cp1", f"mkdir {DISK} && mount -t tmpfs -o size=4g disk {DISK}")
    change(lab, container_runtime_root=ROOT, container_runtime_root_is_mount=True)
    lab.up("--no-verify")
    yield Node(lab)


def test_on_a_new_node_there_is_nothing_to_remove(node: Node) -> None:
    done = node.clean("--keep-journal", "1Gi")
    assert done.exit_code == 0, done.stderr
    assert done.data["message"] == "nothing to remove"
    assert "log" not in done.data, "Ansible was started"


def test_a_wrong_name_gets_a_suggestion(node: Node) -> None:
    done = kprov("node", "clean", node.name[:-1] + "2", str(node.lab.inventory))
    assert done.exit_code == ExitCode.INPUT
    assert f"did you mean {node.name}?" in done.stderr


def test_exactly_what_nobody_needs_goes_with_kubelet_and_api_server_dead(node: Node, measured: Measured) -> None:
    node.import_images()
    node.write("/run/left-pod.json", LEFT_POD)
    node.write("/run/left.json", LEFT)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crash"}}
    node.write("/run/crash.json", {**pod, "spec": {"nodeName": node.name, "containers": [CRASH]}})
    node.lab.kubectl("create", "-f", "/run/crash.json")
    node.ssh(STOP_IN_TIME)
    node.ssh("crictl run --no-pull /run/left.json /run/left-pod.json")
    wait_until("it has ended", lambda: bool(node.containers("left")))
    sandbox = node.containers("left")[0]["podSandboxId"]
    node.ssh(f"crictl stopp {sandbox}; logger -p user.info archived; journalctl --rotate")
    node.stop_control_plane()
    ended = node.containers("crash")
    running, images = node.running(), node.images()
    archived = set(node.ssh("ls -d /var/log/journal/$(cat /etc/machine-id)/*@*").split())
    wanted = {one["id"] for one in ended[1:]} | {node.containers("left")[0]["id"], sandbox} | archived
    assert len(ended) > 1

    listed = node.clean("--dry-run", "--keep-journal", "0")
    assert listed.exit_code == ExitCode.FOUND, listed.stderr
    found = listed.data["found"]
    assert {one["id"] for one in found if one["kind"] != "image"} == wanted
    assert {one["name"] for one in found if one["kind"] == "image"} == set(UNUSED)
    assert sum(one["bytes"] for one in found if one["kind"] == "image") > 12 * MIB
    assert node.clean("--keep-journal", "0").exit_code == ExitCode.INPUT, "without a terminal somebody says --yes"
    assert (node.running(), node.images()) == (running, images)

    done = node.clean("--yes", "--keep-journal", "0")
    assert done.exit_code == 0, done.stderr
    assert sorted(done.data["removed"]) == sorted(one["id"] for one in found)
    assert (done.data["skipped"], done.data["failed"]) == ([], [])
    places = {one["path"]: one for one in done.data["filesystems"]}
    for place in places.values():
        assert place["removed"] >= place["listed"] > 0
    disk = places[ROOT]
    assert disk["free_after"] - disk["free_before"] >= disk["listed"]
    assert node.running() == running
    assert node.images() == images - set(UNUSED)
    measured(
        f"node clean: {len(found)} things, listed at least {done.data['bytes']} bytes, removed"
        f" {done.data['removed_bytes']}; {ROOT}: {disk['free_after'] - disk['free_before']} bytes more are free"
    )

    again = node.clean("--yes", "--keep-journal", "0")
    assert (again.exit_code, again.data["message"]) == (0, "nothing to remove")
    assert "log" not in again.data, "Ansible was started"

    node.start()
    wait_until("its last log is there", lambda: "nosuch" in node.lab.kubectl("logs", "crash", "--previous"))
    node.lab.kubectl("delete", "pod", "crash", "--now")


def test_a_disk_without_a_free_byte_gets_room(node: Node, measured: Measured) -> None:
    """containerd's disk and the one with kprov's records, on which then no lock can be written."""
    node.import_images()
    node.ssh("systemctl stop kubelet")  # it would evict, and this is not about it
    running = node.running()
    records = "/var/lib/kprov"
    node.ssh(f"cp -a {records} /run/records && mount -t tmpfs -o size=1m,mode=700 records {records}")
    node.ssh(f"cp -a /run/records/. {records}/; for d in {DISK} {records}; do cat /dev/zero > $d/full || true; done")
    assert "100%" in node.ssh(f"df --output=pcent {DISK}") and "100%" in node.ssh(f"df --output=pcent {records}")
    done = node.clean("--yes")
    assert done.exit_code == 0, done.stderr
    (disk,) = (one for one in done.data["filesystems"] if one["path"] == ROOT)
    assert disk["free_before"] == 0
    assert disk["free_after"] >= disk["listed"] > 12 * MIB
    assert node.running() == running
    assert not node.images() & set(UNUSED)
    measured(f"node clean on a full disk: {disk['free_after']} bytes free, listed at least {disk['listed']}")
    node.ssh(f"umount {records}; rm {DISK}/full")
    node.start()
