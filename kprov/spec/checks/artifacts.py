"""Where files and images come from."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from kprov.spec.draft import Draft
from kprov.spec.report import Report
from kprov.spec.versions import file_names, supported_versions

REPOSITORY = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$")
# container_runtime -> the file without which its nodes cannot be installed (all of them: RUNTIME_COMPONENTS in
# kprov.artifacts.manifest, which sits above this package).
RUNTIME_FILE = {"containerd": "containerd", "docker": "cri-dockerd"}


def artifacts_bundle(draft: Draft, report: Report) -> None:
    """A directory on this machine with a readable manifest.json, and no mirror beside it."""
    for bundle, host in draft.distinct("artifacts_bundle"):
        problem = _bundle_problem(bundle) if bundle else None
        if problem:
            text, hint = problem
            report.error(
                "bundle", f"artifacts_bundle {bundle} {text}", host=host.name, variable="artifacts_bundle", hint=hint
            )
        if bundle and host.text("artifacts_mirror"):
            report.error(
                "bundle",
                "artifacts_bundle and artifacts_mirror are both set",
                host=host.name,
                variable="artifacts_mirror",
                hint="delete one of them",
            )


def bundle_has_runtime(draft: Draft, report: Report) -> None:
    """The bundle was made for a runtime that the host asks for."""
    for host in draft.hosts:
        bundle, runtime = host.text("artifacts_bundle"), host.text("container_runtime")
        names = file_names(Path(bundle)) if bundle else frozenset()
        needed = RUNTIME_FILE.get(runtime or "")
        if names and needed and needed not in names:
            report.error(
                "bundle",
                f"artifacts_bundle {bundle} has no {needed}, which container_runtime {runtime} needs",
                host=host.name,
                variable="container_runtime",
                hint="make it again: kprov bundle create NEW -i INVENTORY takes the runtime from there",
            )


def _bundle_problem(bundle: str) -> tuple[str, str | None] | None:
    path = Path(bundle)
    if not path.is_absolute():
        return (
            "is not an absolute path",
            f"write {Path.cwd() / path.expanduser()}" if path.expanduser().exists() else None,
        )
    if path.is_file():
        return "is a file, not a directory", "unpack it first"
    if not path.is_dir():
        return "does not exist on this machine", "make one with kprov bundle create"
    if not (path / "manifest.json").is_file():
        return "holds no manifest.json", "make one with kprov bundle create"
    if not supported_versions(path):
        return "holds a manifest.json that names no release", "make it again with kprov bundle create"
    return None


def artifacts_mirror(draft: Draft, report: Report) -> None:
    """An http or https URL."""
    for mirror, host in draft.distinct("artifacts_mirror"):
        url = urlsplit(mirror)
        if mirror and (url.scheme not in ("http", "https") or not url.netloc):
            text = f"artifacts_mirror {mirror!r} is not a URL such as https://mirror.example/kubernetes"
            report.error("mirror", text, host=host.name, variable="artifacts_mirror")


def image_repository(draft: Draft, report: Report) -> None:
    """REGISTRY[:PORT][/PATH], without scheme, tag or final slash."""
    for repository, host in draft.distinct("image_repository"):
        if not REPOSITORY.match(repository):
            report.error(
                "image-repository",
                f"image_repository {repository!r} is not REGISTRY[:PORT][/PATH]",
                host=host.name,
                variable="image_repository",
                hint="write it without scheme, tag and final slash",
            )
