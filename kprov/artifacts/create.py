"""A bundle out of what publishers, or a mirror and a registry, have."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from kprov.artifacts.bundle import Bundle, new_bundle, open_bundle
from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.download import Downloader
from kprov.artifacts.fetch import Got, Job, fetch_all
from kprov.artifacts.manifest import FileEntry, ImageEntry
from kprov.artifacts.skopeo import Skopeo
from kprov.artifacts.source import Source
from kprov.artifacts.wanted import Wanted
from kprov.ui.progress import Progress
from kprov.words import count


def create_bundle(
    target: Path, wanted: Wanted, source: Source, progress: Progress, cache: DownloadCache | None = None
) -> Bundle:
    """Makes the directory `target`, which must be new, whole or not at all; each byte was checked against its digest.

    Raises ArtifactError with one Problem for each file or image that cannot be had; then nothing is left but the
    cache (None: the user's). Needs skopeo when there are images.
    """
    store, stop = cache or DownloadCache(), threading.Event()
    skopeo = Skopeo(store, stop) if wanted.images else None
    downloader = Downloader(store, stop)

    def file(entry: FileEntry) -> Got:
        done = downloader.fetch(source.url(entry), entry.sha256)
        size = megabytes(done.path.stat().st_size)
        return Got(str(done.path), size if done.fresh else f"{size}, there already")

    def image(entry: ImageEntry) -> Got:
        assert skopeo
        digest = skopeo.pull(source.image(entry), entry.arch)
        return Got(digest, megabytes(store.images.size_of(digest)))

    jobs = [Job(f"{e.name} {e.version} {e.arch}", partial(file, e)) for e in wanted.files]
    jobs += [Job(f"{e.ref} {e.arch}", partial(image, e)) for e in wanted.images]
    with new_bundle(target) as writer, store.open(progress):
        progress.step(
            f"{count(len(wanted.files), 'file')} and {count(len(wanted.images), 'image')}, kept in {store.directory}"
        )
        values = fetch_all(jobs, progress, stop)
        for entry, path in zip(wanted.files, values, strict=False):
            filename = entry.url.rpartition("/")[2]
            # The programs of two architectures have the same name at their publisher.
            writer.add_file(entry.name, entry.version, entry.arch, Path(path), f"{entry.arch}/{filename}")
        for image_entry, digest in zip(wanted.images, values[len(wanted.files) :], strict=True):
            writer.take_image(image_entry, digest, store.images)
        writer.finish(wanted.releases)
    return open_bundle(target)


def megabytes(size: int) -> str:
    """Bytes for people: "56.1 MB"."""
    return f"{size / 1e6:.1f} MB"
