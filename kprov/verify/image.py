"""Which image the test pods run: the manifest's image for "verify", as nodes name it."""

from __future__ import annotations

from pathlib import Path

from kprov.artifacts.bundle import open_bundle
from kprov.artifacts.manifest import project_manifest
from kprov.errors import ArtifactError
from kprov.spec.cluster import ClusterSpec

PUBLIC = "registry.k8s.io"
AGNHOST = "/agnhost"  # the program inside the image


def image_of(spec: ClusterSpec) -> str:
    """The full reference, under image_repository when that is another registry. ArtifactError when there is none."""
    variables = spec.hosts[0].variables
    bundle, repository = str(variables["artifacts_bundle"]), str(variables["image_repository"]).rstrip("/")
    manifest = open_bundle(Path(bundle)).manifest if bundle else project_manifest()
    version = manifest.release(str(variables["kubernetes_version"]))["kubernetes"]
    for image in manifest.images:
        if image.use == "verify" and version in image.kubernetes:
            return f"{repository}/{image.ref.removeprefix(PUBLIC + '/')}" if repository != PUBLIC else image.ref
    raise ArtifactError(
        f"the artifact manifest has no image for `kprov verify` with Kubernetes {version}",
        hint="make the bundle again: `kprov bundle create`",
    )
