"""The artifact manifest as the plugins on the controller read it (format kprov.artifacts/v1, see ARCHITECTURE.md).

`kprov.artifacts` checks and writes manifests; this only looks things up: plugins and kprov never import each other.
"""

from __future__ import annotations

import json
import os
import re

KUBERNETES_REGISTRY = "registry.k8s.io"

_cache: dict[tuple, dict] = {}


class ManifestError(Exception):
    """The manifest cannot be read, or does not have what is asked for; the message is for the user."""


def locate(bundle: str) -> str:
    """Path of the manifest: the bundle's, else the one of this project (KPROV_CONTENT_ROOT, or beside plugins/)."""
    if bundle:
        return os.path.join(os.path.expanduser(bundle), "manifest.json")
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(os.environ.get("KPROV_CONTENT_ROOT") or here, "artifacts", "manifest.yml")


def load(bundle: str) -> dict:
    """The manifest, read once per process."""
    path = locate(bundle)
    try:
        key = (path, os.stat(path).st_mtime_ns)
        if key not in _cache:
            with open(path, encoding="utf-8") as file:
                _cache[key] = json.load(file) if path.endswith(".json") else _yaml(file)
    except OSError as error:
        raise ManifestError(f"cannot read the artifact manifest {path}: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path} is damaged: {error}") from error
    manifest = _cache[key]
    if not isinstance(manifest, dict) or manifest.get("kind") != "kprov.artifacts/v1":
        raise ManifestError(f"{path} is not a kprov.artifacts/v1 manifest")
    return manifest


def _yaml(file) -> object:
    import yaml

    try:
        return yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def resolve(manifest: dict, version: str) -> str:
    """The release that "1.36.3" or "1.36" (newest patch) means."""
    wanted = str(version).removeprefix("v")
    found = [release for release in manifest["releases"] if release == wanted or release.startswith(wanted + ".")]
    if not found:
        known = ", ".join(sorted(manifest["releases"], key=_order, reverse=True))
        raise ManifestError(f"Kubernetes {version} is not in the artifact manifest; it has {known}")
    return max(found, key=_order)


def release(manifest: dict, version: str, repository: str = "") -> dict[str, str]:
    """Component name to version, and image name to the reference that nodes use."""
    exact = resolve(manifest, version)
    images = [image["ref"] for image in manifest.get("images", []) if exact in image["kubernetes"]]
    found = {image_name(ref): relocate(ref, repository) for ref in images}
    # Where a component is both a file and an image, the file's version is what roles ask for.
    found.update({name: str(value) for name, value in manifest["releases"][exact].items()})
    return found


def files(manifest: dict, name: str, version: str) -> dict[str, dict]:
    """Architecture to the entry of a file."""
    found = {f["arch"]: f for f in manifest["files"] if (f["name"], str(f["version"])) == (name, str(version))}
    if not found:
        known = sorted({str(f["version"]) for f in manifest["files"] if f["name"] == name})
        raise ManifestError(f"{name} {version} is not in the artifact manifest; it has {', '.join(known) or 'none'}")
    return found


def images(manifest: dict, version: str, purposes, repository: str) -> dict[str, list[dict]]:
    """Architecture to images [{"ref", "source", "digest"}] of a release; source: the reference in the manifest."""
    exact = resolve(manifest, version)
    found: dict[str, list[dict]] = {}
    for image in manifest.get("images", []):
        if exact in image["kubernetes"] and image["for"] in purposes:
            entry = {"ref": relocate(image["ref"], repository), "source": image["ref"], "digest": image.get("digest")}
            found.setdefault(image["arch"], []).append(entry)
    return found


def relocate(ref: str, repository: str) -> str:
    """The reference under image_repository, where kubeadm will look for it: CoreDNS loses its extra path there."""
    if not repository or repository == KUBERNETES_REGISTRY or not ref.startswith(KUBERNETES_REGISTRY + "/"):
        return ref
    path = ref[len(KUBERNETES_REGISTRY) + 1 :]
    if path.startswith("coredns/coredns:"):
        path = path[len("coredns/") :]
    return f"{repository.rstrip('/')}/{path}"


def image_name(ref: str) -> str:
    """registry.k8s.io/coredns/coredns:v1 -> coredns."""
    return ref.rpartition(":")[0].rpartition("/")[2]


def mirrored(url: str, mirror: str) -> str:
    """Where a mirror has the file of a publisher's URL: BASE/host/path."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
