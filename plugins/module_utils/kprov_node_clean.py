"""Removes from a node what it is told to, and looks at each thing again right before: is it still needed by nobody?

The list comes from kprov, which has announced it (kprov/node_clean). Between that and the removal pods go on: what came
into use stays, and the report says so. Nothing that is not on the list is removed.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_clean_account import Account
from ansible.module_utils.kprov_docker_api import Docker, DockerError, full_name
from ansible.module_utils.kprov_paths import ARTIFACTS, real
from ansible.module_utils.kprov_runtime_stop import Runtime, StopError

PODS = "/var/lib/kubelet/pods"  # the kubelet makes a directory per pod before it starts anything of it
EXITED, READY = "CONTAINER_EXITED", "SANDBOX_READY"
FAILURES = (StopError, DockerError, OSError, ValueError, subprocess.TimeoutExpired)
GONE = "it was gone already"


class InUse(Exception):
    """Something is not removed; the message says why, for the user."""


def clean(runtime: Runtime, orders: list[dict], places: list[str], account: Account) -> dict[str, Any]:
    """The report: {"removed": [id], "skipped": [{"kind", "id", "why"}], "failed": [as skipped], "places": see Account}.

    orders: [{"kind": container | sandbox | image | journal, "id", and what the check of its kind reads}], as they come.
    places: directories whose file systems are measured.
    """
    report: dict[str, Any] = {"removed": [], "skipped": [], "failed": []}
    account.begin(places)
    of_runtime = [order for order in orders if order["kind"] != "journal"]
    failed = _remove(runtime, of_runtime, report)
    if failed:
        report["skipped"] = []  # asked again below
    report["failed"] = _remove(runtime, [order for order in orders if order["kind"] == "journal"], report)
    if failed:
        # On a disk without a free byte the runtime's database may not be able to forget; without the journals it can.
        again = [order for order in of_runtime if order["id"] not in report["removed"]]
        report["failed"] += _remove(runtime, again, report)
    report["failed"] = [{"kind": order["kind"], "id": order["id"], "why": why} for order, why in report["failed"]]
    report["places"] = account.end()
    return report


def _remove(runtime: Runtime, orders: list[dict], report: dict[str, Any]) -> list[tuple[dict, str]]:
    """Carry the orders out; those that failed, with the reason."""
    failed = []
    for order in orders:
        try:
            REMOVE[order["kind"]](runtime, order)
            report["removed"].append(order["id"])
        except InUse as error:
            report["skipped"].append({"kind": order["kind"], "id": order["id"], "why": str(error)})
        except FAILURES as error:
            failed.append((order, str(error)))
    return failed


def remove_container(runtime: Runtime, order: dict) -> None:
    """order: pod (uid), name, reason (superseded | gone). Raises InUse."""
    containers = runtime.listed("ps", "-a")["containers"] or []
    check_container(order, containers, _sandboxes(runtime), _pods())
    runtime.crictl("rm", order["id"])  # without --force: refused if it runs


def check_container(order: dict, containers: list[dict], sandboxes: list[dict], pods: set[str]) -> None:
    """Raises InUse. containers, sandboxes: as crictl lists them; pods: uids that the kubelet has."""
    mine = _of_list(order, containers)
    if mine["state"] != EXITED:
        raise InUse(f"it is {mine['state']} now")
    if order["reason"] == "gone":
        _check_gone(order["pod"], sandboxes, pods)
        return
    later = [
        one
        for one in containers
        if one["state"] == EXITED and _is_same(one, order) and one["id"] != order["id"] and _age(one) > _age(mine)
    ]
    if not later:
        raise InUse("it is the last one of its name that has ended")


def remove_sandbox(runtime: Runtime, order: dict) -> None:
    """order: pod (uid), reason. Raises InUse."""
    check_sandbox(order, runtime.listed("ps", "-a")["containers"] or [], _sandboxes(runtime), _pods())
    runtime.crictl("stopp", order["id"])  # its network may still be there after a reboot; the kubelet does the same
    runtime.crictl("rmp", order["id"])  # without --force: refused if it runs


def check_sandbox(order: dict, containers: list[dict], sandboxes: list[dict], pods: set[str]) -> None:
    """Raises InUse. Arguments: as for check_container."""
    mine = _of_list(order, sandboxes)
    if mine["state"] == READY:
        raise InUse("it is ready now")
    if any(one["podSandboxId"] == order["id"] for one in containers):
        raise InUse("there is a container in it")
    if order["reason"] == "gone":
        _check_gone(order["pod"], sandboxes, pods)
    elif not any(one["metadata"]["uid"] == order["pod"] and _age(one) > _age(mine) for one in sandboxes):
        raise InUse("it is the newest one of its pod")


def remove_image(runtime: Runtime, order: dict) -> None:
    """order: references (as they were), layer (its topmost one's snapshot, "" with Docker). Raises InUse."""
    images = runtime.listed("images")["images"] or []
    containers = runtime.listed("ps", "-a")["containers"] or []
    used = {one["ImageID"] for one in Docker().containers()} if runtime.name == "docker" else set()
    own = (kprov_fs.read_json(real(f"{ARTIFACTS}/images.json")) or {}).get("images") or {}
    check_image(order, images, containers, used, set(own))
    if runtime.name == "containerd" and order["layer"] in used_layers(runtime):
        raise InUse("something is mounted from it now")
    runtime.crictl("rmi", order["id"])


def check_image(order: dict, images: list[dict], containers: list[dict], used: set[str], own: set[str]) -> None:
    """Raises InUse. used: ids of images of Docker's own containers; own: references of images that kprov brought."""
    mine = _of_list(order, images)
    references = {full_name(tag) for tag in mine.get("repoTags") or () if "<none>" not in tag}
    references |= set(mine.get("repoDigests") or ())
    if mine.get("pinned") or references & own:
        raise InUse("it is pinned, or one of kprov's own now")
    if references != set(order["references"]):
        raise InUse(f"it has other names now: {', '.join(sorted(references)) or 'none'}")
    names = {order["id"], *references}
    for one in containers:
        image = one.get("image") or {}
        if names & {image.get("image"), image.get("userSpecifiedImage"), one.get("imageRef"), one.get("imageId")}:
            raise InUse(f"container {one['metadata']['name']} uses it now")
    if order["id"] in used:
        raise InUse("a container of Docker's own uses it now")


def remove_journal(_: Runtime, order: dict) -> None:
    """id: its path; order: inode, bytes. Raises InUse.

    As journalctl --vacuum-size does it. That one would go by the sizes of this moment, and may take files that were
    archived since the announcement.
    """
    path = real(order["id"])
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        raise InUse(GONE) from None
    if (status.st_ino, status.st_blocks * 512) != (order["inode"], order["bytes"]):
        raise InUse("it is another file now")
    os.unlink(path)


REMOVE = {
    "container": remove_container,
    "sandbox": remove_sandbox,
    "image": remove_image,
    "journal": remove_journal,
}


def used_layers(runtime: Runtime) -> set[str]:
    """Layers on which a container or a mount lies: parents of snapshots that are not committed."""
    rows = [line.split() for line in runtime.ctr("snapshots", "ls").splitlines()]
    return {row[1] for row in rows if len(row) == 3 and row[2] in ("Active", "View")}


def _check_gone(pod: str, sandboxes: list[dict], pods: set[str]) -> None:
    if pod in pods:
        raise InUse("the kubelet has its pod now")
    if any(one["metadata"]["uid"] == pod and one["state"] == READY for one in sandboxes):
        raise InUse("its pod runs now")


def _of_list(order: dict, listed: list[dict]) -> dict:
    found = next((one for one in listed if one["id"] == order["id"]), None)
    if found is None:
        raise InUse(GONE)
    return found


def _is_same(container: dict, order: dict) -> bool:
    labels = container.get("labels") or {}
    return (labels.get("io.kubernetes.pod.uid"), container["metadata"]["name"]) == (order["pod"], order["name"])


def _age(one: dict) -> tuple[int, int]:
    return int(one["createdAt"]), int(one["metadata"].get("attempt") or 0)


def _sandboxes(runtime: Runtime) -> list[dict]:
    return runtime.listed("pods")["items"] or []


def _pods() -> set[str]:
    return set(os.listdir(real(PODS)))
