"""kprov_node_clean: each thing is looked at again right before it goes. The runtime is an object; what it lists, real.

The lists are those of a lab's node, tests/unit/node_clean/recorded/.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

RECORDED = Path(__file__).parents[1] / "node_clean/recorded"
UNUSED = "example.org/unused:1"


class Runtime:
    """containerd, as recorded. lists: what crictl lists, to be changed; done: what it was told.

    failing: verb to errors that come first; after: verb to what happens when it is done.
    """

    name = "containerd"

    def __init__(self) -> None:
        read = {name: json.loads((RECORDED / f"{name}.json").read_text()) for name in ("ps", "pods", "images")}
        self.lists: dict[str, Any] = read
        self.done: list[tuple[str, ...]] = []
        self.failing: dict[str, list[Exception]] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self.snapshots = (RECORDED / "snapshots-ls.txt").read_text()

    def listed(self, *arguments: str) -> Any:
        return copy.deepcopy(self.lists[arguments[0]])

    def crictl(self, *arguments: str) -> str:
        if self.failing.get(arguments[0]):
            raise self.failing[arguments[0]].pop()
        self.done.append(arguments)
        self.after.get(arguments[0], lambda: None)()
        return ""

    def ctr(self, *arguments: str) -> str:
        return self.snapshots

    def container(self, name: str, attempt: int = 0) -> Any:
        wanted = ({"name": name, "attempt": attempt}, {"name": name})
        return next(one for one in self.lists["ps"]["containers"] if one["metadata"] in wanted)

    def sandbox(self, name: str) -> Any:
        return next(one for one in self.lists["pods"]["items"] if one["metadata"]["name"] == name)

    def image(self, tag: str) -> Any:
        return next(one for one in self.lists["images"]["images"] if tag in one["repoTags"])


class Account:
    """Counts nothing."""

    def begin(self, places: list[str]) -> None:
        self.places = places

    def end(self) -> dict[str, dict[str, int]]:
        return {path: {"removed": 1, "free_before": 1, "free_after": 2} for path in self.places}


@pytest.fixture
def place(plugin: Any, node: Path) -> SimpleNamespace:
    module: ModuleType = plugin("modules", "kprov_node_clean")
    from ansible.module_utils import kprov_node_clean as util

    for uid in (RECORDED / "kubelet-pods.txt").read_text().split():
        (node / "var/lib/kubelet/pods" / uid).mkdir(parents=True)
    found = SimpleNamespace(module=module, util=util, node=node, runtime=Runtime())
    found.clean = lambda *orders: util.clean(found.runtime, list(orders), ["/x"], Account())
    return found


def order(runtime: Runtime, kind: str, name: str, reason: str = "superseded") -> dict[str, Any]:
    if kind == "container":
        one = runtime.container(name)
        pod = one["labels"]["io.kubernetes.pod.uid"]
        return {"kind": kind, "id": one["id"], "pod": pod, "name": name, "reason": reason}
    if kind == "sandbox":
        one = runtime.sandbox(name)
        return {"kind": kind, "id": one["id"], "pod": one["metadata"]["uid"], "reason": reason}
    one = runtime.image(name)
    return {"kind": kind, "id": one["id"], "references": one["repoTags"], "layer": "sha256:top"}


def why(report: dict[str, Any]) -> str:
    assert (report["removed"], report["failed"]) == ([], [])
    (skipped,) = report["skipped"]
    return str(skipped["why"])


def test_what_nobody_needs_goes_in_the_order_of_the_list(place: SimpleNamespace) -> None:
    runtime = place.runtime
    orders = [
        order(runtime, "container", "crash"),
        order(runtime, "container", "left", "gone"),
        order(runtime, "image", UNUSED),
    ]
    report = place.clean(*orders)
    assert report["removed"] == [one["id"] for one in orders]
    assert runtime.done == [("rm", orders[0]["id"]), ("rm", orders[1]["id"]), ("rmi", orders[2]["id"])]
    assert report["places"]["/x"]["free_after"] == 2
    assert place.module.summary(orders, report) == ["2 containers", "1 image"]


def test_a_container_that_is_the_last_one_now_stays(place: SimpleNamespace) -> None:
    """The kubelet has removed the later one in between."""
    one = order(place.runtime, "container", "crash")
    place.runtime.lists["ps"]["containers"].remove(place.runtime.container("crash", 1))
    assert why(place.clean(one)) == "it is the last one of its name that has ended"
    assert place.runtime.done == []


def test_a_later_one_that_runs_is_not_a_later_one_that_has_ended(place: SimpleNamespace) -> None:
    one = order(place.runtime, "container", "crash")
    place.runtime.container("crash", 1)["state"] = "CONTAINER_RUNNING"
    assert why(place.clean(one)) == "it is the last one of its name that has ended"


def test_a_container_that_runs_stays(place: SimpleNamespace) -> None:
    one = order(place.runtime, "container", "crash")
    place.runtime.container("crash")["state"] = "CONTAINER_RUNNING"
    assert why(place.clean(one)) == "it is CONTAINER_RUNNING now"


def test_a_pod_that_has_come_back_keeps_what_it_has(place: SimpleNamespace) -> None:
    container = order(place.runtime, "container", "left", "gone")
    place.runtime.sandbox("left")["state"] = "SANDBOX_READY"
    assert why(place.clean(container)) == "its pod runs now"
    place.runtime.sandbox("left")["state"] = "SANDBOX_NOTREADY"
    (place.node / "var/lib/kubelet/pods/left-uid").mkdir()
    assert why(place.clean(container)) == "the kubelet has its pod now"


def test_a_sandbox_goes_stopped_and_empty(place: SimpleNamespace) -> None:
    runtime = place.runtime
    sandbox = order(runtime, "sandbox", "left", "gone")
    assert why(place.clean(sandbox)) == "there is a container in it"
    runtime.lists["ps"]["containers"].remove(runtime.container("left"))
    runtime.sandbox("left")["state"] = "SANDBOX_READY"
    assert why(place.clean(sandbox)) == "it is ready now"
    runtime.sandbox("left")["state"] = "SANDBOX_NOTREADY"
    assert place.clean(sandbox)["removed"] == [sandbox["id"]]
    assert runtime.done == [("stopp", sandbox["id"]), ("rmp", sandbox["id"])]


def test_the_newest_sandbox_of_a_pod_stays(place: SimpleNamespace) -> None:
    runtime = place.runtime
    runtime.lists["ps"]["containers"] = []
    runtime.sandbox("crash")["state"] = "SANDBOX_NOTREADY"
    assert why(place.clean(order(runtime, "sandbox", "crash"))) == "it is the newest one of its pod"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pinned": True}, "it is pinned, or one of kprov's own now"),
        ({"repoTags": [UNUSED, "kprov.example/own:1"]}, "it is pinned, or one of kprov's own now"),
        ({"repoTags": [UNUSED, "b:1"]}, "it has other names now: docker.io/library/b:1, example.org/unused:1"),
        ({"repoTags": []}, "it has other names now: none"),
        ({"id": "sha256:other"}, "it was gone already"),
    ],
)
def test_an_image_that_is_another_one_now_stays(place: SimpleNamespace, change: dict[str, Any], said: str) -> None:
    record = place.node / "var/lib/kprov/artifacts/images.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"images": {"kprov.example/own:1": {}}}')
    one = order(place.runtime, "image", UNUSED)
    place.runtime.image(UNUSED).update(change)
    assert why(place.clean(one)) == said


@pytest.mark.parametrize("state", ["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED"])
def test_an_image_that_a_container_has_come_to_use_stays(place: SimpleNamespace, state: str) -> None:
    one = order(place.runtime, "image", UNUSED)
    place.runtime.container("left").update(state=state, imageRef=one["id"])
    assert why(place.clean(one)) == "container left uses it now"


def test_an_image_that_has_come_to_be_mounted_stays(place: SimpleNamespace) -> None:
    one = order(place.runtime, "image", UNUSED)
    place.runtime.snapshots += "volume sha256:top View\n"
    assert why(place.clean(one)) == "something is mounted from it now"


def test_docker_s_own_containers_use_images_too(place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.runtime.name = "docker"
    one = order(place.runtime, "image", UNUSED)
    containers = [{"Id": "c", "ImageID": one["id"]}]
    monkeypatch.setattr(place.util, "Docker", lambda: SimpleNamespace(containers=lambda: containers))
    assert why(place.clean(one)) == "a container of Docker's own uses it now"
    containers.clear()
    assert place.clean(one)["removed"] == [one["id"]]


def test_a_journal_goes_if_it_is_the_file_that_was_listed(place: SimpleNamespace) -> None:
    file = place.node / "var/log/journal/0123/system@1.journal"
    file.parent.mkdir(parents=True)
    file.write_text("x" * 9000)
    status = file.stat()
    listed = {"kind": "journal", "id": "/var/log/journal/0123/system@1.journal", "inode": status.st_ino}
    listed["bytes"] = status.st_blocks * 512
    assert why(place.clean({**listed, "inode": 1})) == "it is another file now"
    assert place.clean(listed)["removed"] == [listed["id"]]
    assert not file.exists()
    assert why(place.clean(listed)) == "it was gone already"


def test_what_a_full_disk_prevents_is_tried_again_after_the_journals(place: SimpleNamespace) -> None:
    file = place.node / "journal"
    file.write_text("x")
    journal = {"kind": "journal", "id": "/journal", "inode": file.stat().st_ino, "bytes": file.stat().st_blocks * 512}
    container, image = order(place.runtime, "container", "crash"), order(place.runtime, "image", UNUSED)
    place.runtime.failing = {"rm": [place.util.StopError("no space left on device")]}
    user = place.runtime.container("left")
    user["imageRef"] = image["id"]  # so that the image is in use at first
    place.runtime.after["rm"] = lambda: user.update(imageRef="")
    report = place.clean(container, image, journal)
    assert report["removed"] == ["/journal", container["id"], image["id"]]
    assert (report["failed"], report["skipped"]) == ([], [])


def test_one_failure_does_not_keep_the_others(place: SimpleNamespace) -> None:
    image, container = order(place.runtime, "image", UNUSED), order(place.runtime, "container", "crash")
    place.runtime.failing = {"rmi": 2 * [place.util.StopError("crictl rmi: no")]}
    report = place.clean(image, container)
    assert report["removed"] == [container["id"]]
    assert report["failed"] == [{"kind": "image", "id": image["id"], "why": "crictl rmi: no"}]


def test_account_counts_what_is_not_there_any_more(place: SimpleNamespace) -> None:
    from ansible.module_utils import kprov_clean_account as account

    runtime, root = place.runtime, place.node / "var/lib/containerd"
    blobs, journal = root / account.BLOBS, place.node / "var/log/journal/0123"
    for directory in (blobs, journal):
        directory.mkdir(parents=True)
    (blobs / "layer").write_bytes(b"x" * 8192)
    (blobs / "stays").write_bytes(b"x" * 8192)
    (journal / "a@1.journal").write_bytes(b"x" * 4096)
    runtime.snapshots = "time=... level=warning msg=...\nKEY SIZE INODES\nold 500 2\nrunning 70 2\n"
    counted = account.Account(runtime)
    counted.begin(["/var/lib/containerd", "/var/log/journal/0123"])
    (blobs / "layer").unlink()
    (journal / "a@1.journal").unlink()
    runtime.snapshots = "KEY SIZE INODES\nrunning 90 2\nnew 1000 2\n"
    found = counted.end()
    assert found["/var/lib/containerd"]["removed"] == 500 + 8192
    assert found["/var/log/journal/0123"]["removed"] == 4096
    assert found["/var/lib/containerd"]["free_after"] > 0


def test_account_does_not_take_silence_for_nothing(place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.module_utils import kprov_clean_account as account

    def silent(*_: str) -> str:
        raise account.StopError("ctr: no answer")

    monkeypatch.setattr(place.runtime, "ctr", silent)
    (place.node / "var/lib/containerd").mkdir()
    counted = account.Account(place.runtime)
    counted.begin(["/var/lib/containerd"])
    assert counted.end()["/var/lib/containerd"]["removed"] is None


def test_account_of_docker(place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.module_utils import kprov_clean_account as account

    layers, containers = [1000, 400], [[{"Id": "a", "SizeRw": 7}, {"Id": "b"}], [{"Id": "b", "SizeRw": 3}]]
    docker = SimpleNamespace(layers_bytes=lambda: layers.pop(0), containers=lambda: containers.pop(0))
    monkeypatch.setattr(account, "Docker", lambda timeout: docker)
    place.runtime.name = "docker"
    (place.node / "var/lib/docker").mkdir()
    counted = account.Account(place.runtime)
    counted.begin(["/var/lib/docker"])
    assert counted.end()["/var/lib/docker"]["removed"] == 607
