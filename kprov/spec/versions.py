"""Which Kubernetes versions there are: the releases of the artifact manifest, or of the bundle that is used.

`kprov.artifacts.manifest` reads whole manifests and sits above this package (imports go one way), so only the names
of releases and files are read here.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import yaml

from kprov.content import content_root
from kprov.spec.declarations import SafeLoader


def supported_versions(bundle: Path | None = None) -> tuple[str, ...]:
    """Exact versions, newest first; of a bundle if one is given. Empty if the manifest cannot be read."""
    if bundle is None:
        return _of_project(content_root())
    try:
        return _sorted(json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["releases"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def file_names(bundle: Path) -> frozenset[str]:
    """Names of the files in a bundle ("kubelet", "cri-dockerd"). Empty if the manifest cannot be read."""
    try:
        files = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["files"]
        return frozenset(str(entry["name"]) for entry in files)
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def matches(wanted: str, version: str) -> bool:
    """True if `wanted`, a minor or an exact version, means `version`."""
    return version == wanted or version.startswith(f"{wanted}.")


@cache
def _of_project(root: Path) -> tuple[str, ...]:
    text = (root / "artifacts" / "manifest.yml").read_text(encoding="utf-8")
    # Only the part from `releases:` to the next key: the file lists every artifact with its digests.
    part = re.search(r"^releases:.*?(?=^\w|\Z)", text, re.MULTILINE | re.DOTALL)
    return _sorted(yaml.load(part[0], Loader=SafeLoader)["releases"]) if part else ()


def _sorted(releases: dict[str, object]) -> tuple[str, ...]:
    return tuple(sorted(releases, key=lambda v: [int(n) for n in re.findall(r"\d+", v)], reverse=True))
