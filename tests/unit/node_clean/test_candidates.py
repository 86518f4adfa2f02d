"""The list: its order, what each thing is called, how much it takes; and what is not judged without being seen."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.node_clean.candidates import candidates, surplus
from kprov.node_clean.seen import Journal
from tests.unit.node_clean import recording

JOURNAL = "/var/log/journal/0123"


def journals(*sizes: int) -> list[dict[str, Any]]:
    return [
        {"path": f"{JOURNAL}/system@{n}.journal", "bytes": size, "inode": n, "written": float(n)}
        for n, size in enumerate(sizes)
    ]


def test_containers_come_first_then_images_then_journals() -> None:
    found = candidates(recording.node(archived=journals(100, 50)), 60)
    assert [(one.kind, one.name) for one in found] == [
        ("container", "default/crash/crash, attempt 0"),
        ("container", "default/left/left, attempt 0"),
        ("sandbox", "default/left, sandbox 0"),
        ("image", "example.org/unused:1"),
        ("image", "example.org/unused:2"),
        ("journal", "system@0.journal"),
    ]
    assert [one.path for one in found] == 5 * ["/var/lib/containerd"] + [JOURNAL]
    assert found[0].bytes == 40960  # as ctr says of the snapshot with the container's id
    assert all(one.bytes > 0 for one in found)


def test_an_order_says_what_the_module_looks_at_again() -> None:
    container, _, sandbox, image, *_, journal = candidates(recording.node(archived=journals(9)), 0)
    pod = container.order().pop("pod")
    assert container.order() == {
        "kind": "container",
        "id": container.id,
        "pod": pod,
        "name": "crash",
        "reason": "superseded",
    }
    assert (sandbox.order()["pod"], sandbox.order()["reason"]) == ("left-uid", "gone")
    assert image.order()["references"] == ["example.org/unused:1"]
    assert image.order()["layer"].startswith("sha256:")
    assert journal.order() == {"kind": "journal", "id": f"{JOURNAL}/system@0.journal", "inode": 0, "bytes": 9}
    assert "check" not in container.data()


@pytest.mark.parametrize(
    ("keep", "gone"), [(0, [10, 20, 30]), (29, [10, 20, 30]), (30, [10, 20]), (50, [10]), (60, []), (10**9, [])]
)
def test_the_oldest_journals_go_until_the_rest_is_no_more_than_what_is_kept(keep: int, gone: list[int]) -> None:
    files = [Journal(f"j{size}", size, 1, float(size)) for size in (10, 20, 30)]
    assert [one.bytes for one in surplus(files, keep)] == gone


@pytest.mark.parametrize("topic", ["containers", "sandboxes", "images", "own_images", "chains", "snapshots", "pods"])
def test_with_a_part_of_the_runtime_unread_only_journals_are_judged(topic: str) -> None:
    seen = recording.node(archived=journals(9), errors=[f"{topic}: OSError: no answer"])
    assert [one.kind for one in candidates(seen, 0)] == ["journal"]


def test_without_journals_and_sizes_of_disks_the_rest_is_judged() -> None:
    errors = ["archived: OSError: x", "filesystems: OSError: x"]
    assert len(candidates(recording.node(errors=errors), 0)) == 5
