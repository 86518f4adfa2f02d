"""Which images nobody uses, and how much goes with them at least: on a recorded node, changed in one respect each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from kprov.node_clean.seen import Seen, Snapshot
from kprov.node_clean.unused import image_bytes, unused_images
from tests.unit.node_clean import recording
from tests.unit.node_clean.recording import UNUSED

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


def tags(seen: Seen, dead: Collection[str] = ()) -> list[str]:
    return [tag for image in unused_images(seen, dead) for tag in image.tags]


def of(seen: Seen, tag: str) -> Any:
    return next(image for image in seen.images if tag in image.tags)


def without_pins(**changes: Any) -> Seen:
    """As with Docker, which has none."""
    seen = recording.node(**changes)
    return replace(seen, images=tuple(replace(image, pinned=False) for image in seen.images))


def chain(seen: Seen, tag: str) -> list[Snapshot]:
    found, name = [], seen.chains[of(seen, tag).id]
    while name:
        found.append(seen.snapshots[name])
        name = found[-1].parent
    return found


def test_images_of_no_container_that_kprov_has_not_brought() -> None:
    assert tags(recording.node()) == list(UNUSED)


def test_kprov_s_own_stay_without_a_pin_and_without_a_container() -> None:
    seen = without_pins()
    every = {one.id for one in (*seen.containers, *seen.sandboxes)}
    assert tags(seen, every) == list(UNUSED)


def test_pinned_images_stay_and_so_does_pause_wherever_it_comes_from() -> None:
    assert tags(recording.node(own_images=[])) == list(UNUSED)
    free = without_pins(own_images=[])
    assert AGNHOST not in tags(free)  # crash uses it
    assert "registry.k8s.io/pause:3.10.2" not in tags(free)
    digest = ("mirror.example:5000/pause@sha256:0",)
    copy = replace(of(free, UNUSED[0]), tags=(), digests=digest)
    assert tags(replace(free, images=(copy,))) == []


def test_an_image_of_a_dead_container_is_free_only_if_that_goes() -> None:
    seen = without_pins(own_images=[])
    users = {one.id for one in seen.containers if one.pod_name in ("crash", "left")}
    assert AGNHOST in tags(seen, users)
    for user in users:
        assert AGNHOST not in tags(seen, users - {user})


@pytest.mark.parametrize("name", ["id", "tag", "digest"])
def test_a_container_may_name_its_image_in_any_way(name: str) -> None:
    seen = recording.node()
    image = replace(of(seen, UNUSED[0]), digests=("example.org/unused@sha256:1",))
    named = {"id": image.id, "tag": UNUSED[0], "digest": image.digests[0]}[name]
    user = replace(seen.containers[0], images=(named,))
    images = tuple(image if one.id == image.id else one for one in seen.images)
    assert tags(replace(seen, containers=(user, *seen.containers[1:]), images=images)) == [UNUSED[1]]


def test_an_image_that_is_mounted_as_a_volume_is_in_use() -> None:
    seen = recording.node()
    mount = Snapshot(seen.chains[of(seen, UNUSED[0]).id], "View", 0)
    assert tags(replace(seen, snapshots={**seen.snapshots, "volume": mount})) == [UNUSED[1]]


def test_containers_of_docker_s_own_use_images_too() -> None:
    seen = recording.node(snapshots={}, chains={})
    used = replace(seen, docker_containers={"somebody's": (of(seen, UNUSED[1]).id, 5)})
    assert tags(used) == [UNUSED[0]]
    assert tags(used, {"somebody's"}) == list(UNUSED)


def test_a_layer_that_two_unused_images_share_counts_once() -> None:
    seen = recording.node()
    found = image_bytes(seen, unused_images(seen, ()), ())
    first, second = chain(seen, UNUSED[0]), chain(seen, UNUSED[1])
    assert first[1] == second[1]
    assert [found[of(seen, tag).id] for tag in UNUSED] == [first[0].bytes + first[1].bytes, second[0].bytes]


def test_a_layer_that_a_kept_image_or_anything_else_needs_does_not_count() -> None:
    seen = recording.node()
    one = [of(seen, UNUSED[0])]
    own = chain(seen, UNUSED[0])[0]
    assert image_bytes(seen, one, ()) == {one[0].id: own.bytes}
    # An image whose name is gone lives on in a container: its layers are there, it is in no list.
    nameless = Snapshot(seen.chains[one[0].id], "Active", 7)
    used = replace(seen, snapshots={**seen.snapshots, "container": nameless})
    assert image_bytes(used, one, ()) == {one[0].id: 0}
    assert image_bytes(used, one, {"container"}) == {one[0].id: own.bytes}


def test_nothing_is_promised_when_the_layers_of_a_kept_image_are_not_known() -> None:
    seen = recording.node()
    known = {id: layer for id, layer in seen.chains.items() if id != of(seen, AGNHOST).id}
    unused = unused_images(seen, ())
    assert set(image_bytes(replace(seen, chains=known), unused, ()).values()) == {0}


def test_docker_says_what_no_other_image_has() -> None:
    seen = recording.node(snapshots={}, chains={})
    image = of(seen, UNUSED[0])
    assert image_bytes(replace(seen, docker_images={image.id: 1234}), [image], ()) == {image.id: 1234}
