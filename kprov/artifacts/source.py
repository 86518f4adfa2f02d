"""Where `kprov bundle create` asks for files and images: the publishers, or a mirror and a registry in their place.

The rules are those of nodes that download for themselves: plugins/module_utils/kprov_manifest.py; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from kprov.artifacts.manifest import FileEntry, ImageEntry
from kprov.errors import InputError
from kprov.spec.checks.artifacts import REPOSITORY

PUBLIC = "registry.k8s.io"
# CoreDNS has a path of its own at its publisher; kubeadm looks for it without, under another repository.
COREDNS = "coredns/coredns:"


@dataclass(frozen=True)
class Source:
    """mirror: base URL, empty for the publishers; image_repository: what stands in for registry.k8s.io.

    Raises InputError for a value that cannot be one.
    """

    mirror: str = ""
    image_repository: str = PUBLIC

    def __post_init__(self) -> None:
        url = urlsplit(self.mirror)
        if url.password or url.username:
            raise InputError("the mirror's URL must not hold a user or a password: URLs are printed")
        if self.mirror and (url.scheme not in ("http", "https") or not url.netloc):
            raise InputError(f"mirror {self.mirror!r} is not a URL such as https://mirror.example/kubernetes")
        if not REPOSITORY.match(self.image_repository):
            raise InputError(
                f"image repository {self.image_repository!r} is not REGISTRY[:PORT][/PATH]",
                hint="write it without scheme, tag and final slash",
            )

    def url(self, entry: FileEntry) -> str:
        """URL of a file: the publisher's, or MIRROR/host/path."""
        return f"{self.mirror.rstrip('/')}/{entry.url.partition('://')[2]}" if self.mirror else entry.url

    def image(self, entry: ImageEntry) -> str:
        """What to pull for an image: REPOSITORY:TAG, or REPOSITORY@DIGEST when the manifest pins it."""
        ref = entry.ref
        if self.image_repository != PUBLIC and ref.startswith(f"{PUBLIC}/"):
            path = ref.removeprefix(f"{PUBLIC}/")
            if path.startswith(COREDNS):
                path = path.removeprefix("coredns/")
            ref = f"{self.image_repository}/{path}"
        return f"{ref.rpartition(':')[0]}@{entry.digest}" if entry.digest else ref
