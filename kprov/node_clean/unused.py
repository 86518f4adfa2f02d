"""Which images nobody uses, and how many bytes go with them at least. Pure: what was seen goes in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from kprov.node_clean.seen import Image, Seen

LAYER = "Committed"


def unused_images(seen: Seen, dead: Collection[str]) -> list[Image]:
    """Images of no container, neither pinned nor brought by kprov. dead: ids of containers and sandboxes that go.

    Images that kprov brought stay, also unused: without a registry they do not come back.
    """
    used = {name for one in seen.containers if one.id not in dead for name in one.images}
    used |= {image for id, (image, _) in seen.docker_containers.items() if id not in dead}
    mounted = {one.parent for id, one in seen.snapshots.items() if one.kind != LAYER and id not in dead}
    return [
        image
        for image in seen.images
        if not image.pinned
        and not used & {image.id, *image.tags, *image.digests}
        and not seen.own_images & {*image.tags, *image.digests}
        and not any(_is_pause(reference) for reference in (*image.tags, *image.digests))
        and seen.chains.get(image.id, "") not in mounted  # as a volume, say
    ]


def image_bytes(seen: Seen, images: Sequence[Image], dead: Collection[str]) -> dict[str, int]:
    """Image id to what its removal frees at least; a layer that several of them share counts for the first one.

    What containerd keeps beside the layers, the packed ones, comes on top. Docker does not say which images share a
    layer: of it only what no other image has counts.
    """
    if not seen.snapshots:
        return {image.id: seen.docker_images.get(image.id, 0) for image in images}
    going = freed_layers(seen, images, dead)
    found = {}
    for image in images:
        mine = [layer for layer in _layers(seen, image) if layer in going]
        found[image.id] = sum(seen.snapshots[layer].bytes for layer in mine)
        going -= set(mine)
    return found


def freed_layers(seen: Seen, images: Sequence[Image], dead: Collection[str]) -> set[str]:
    """Layers of which nothing is left that needs them: no other image, no container, no layer on top."""
    ids = {image.id for image in images}
    others = [image for image in seen.images if image.id not in ids]
    if any(image.id not in seen.chains for image in others):
        return set()  # any layer may be one of theirs
    going = {layer for image in images for layer in _layers(seen, image)}
    going -= {layer for image in others for layer in _layers(seen, image)}
    on_top: dict[str, list[str]] = defaultdict(list)
    for name, snapshot in seen.snapshots.items():
        on_top[snapshot.parent].append(name)

    def free(name: str) -> bool:
        return name in dead or (name in going and all(free(child) for child in on_top[name]))

    return {layer for layer in going if free(layer)}


def _layers(seen: Seen, image: Image) -> list[str]:
    """Snapshots of its layers, topmost first; empty if they are not known."""
    found, name = [], seen.chains.get(image.id, "")
    while name in seen.snapshots:
        found.append(name)
        name = seen.snapshots[name].parent
    return found


def _is_pause(reference: str) -> bool:
    """registry.k8s.io/pause:3.10 and its copies in other registries: every pod starts with it."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0] == "pause"
