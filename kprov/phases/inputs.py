"""The inputs of a phase on a host: what makes it run again when it changes.

The dictionary is recorded on the node when the phase has finished. A reason in the plan is a key that differs.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from kprov.artifacts.manifest import KUBERNETES_FILES, load, project_manifest
from kprov.content import content_root
from kprov.phases.node_settings import settings
from kprov.phases.phase import Phase
from kprov.phases.serving import PHASE as SERVING
from kprov.phases.serving import kubelets
from kprov.reserve.capacity import Capacity
from kprov.reserve.reservation import Settings, reserve
from kprov.spec.cluster import ClusterSpec, Host
from kprov.spec.declarations import declarations

# Where files come from does not matter to a node, their digests do ("artifacts" below).
SOURCES = frozenset({"artifacts_bundle", "artifacts_mirror"})
# What a role does. Its README and the descriptions of its variables change nothing on a node.
PACKAGE = Path(__file__).parents[1]
ROLE_CONTENT = ("tasks", "vars", "defaults", "templates", "files", "handlers")


def inputs(phase: Phase, spec: ClusterSpec, host: Host, capacity: Capacity | None = None) -> dict[str, Any]:
    """Everything that the phase's result on this host depends on, JSON-ready.

    capacity: the machine's, if it is known. Not the size itself is an input (it changes a little with every kernel) but
    what is reserved because of it.
    """
    if phase.every_node:
        return {**settings(spec), "content": content_digest(phase)}
    names = {d.name for d in declarations().of_role(phase.name)} | set(phase.reads)
    values = {name: host.variables[name] for name in sorted(names - SOURCES)}
    values["content"] = content_digest(phase)
    values["control_plane"] = "kube_control_plane" in host.groups
    if phase.name == SERVING and values["control_plane"] and kubelets(spec):
        values["kubelets"] = kubelets(spec)
    if "control_plane_endpoint" in phase.reads:
        values["api_endpoint"] = api_endpoint(spec)
    if SOURCES & set(phase.reads):
        values["artifacts"] = _artifacts_digest(host)
    if phase.sized and capacity:
        reserved = reserve(capacity, Settings.of(host.variables))
        for name in ("kube_reserved", "system_reserved", "eviction_hard"):
            values[name] = dict(getattr(reserved, name))
    return values


def api_endpoint(spec: ClusterSpec) -> str:
    """host:port of the API server as every client uses it; the same rule as roles/cluster/vars/main.yml."""
    first = spec.group("kube_control_plane")[0]
    endpoint = str(first.variables["control_plane_endpoint"]) or first.ip
    return endpoint if _has_port(endpoint) else f"{endpoint}:{first.variables['api_server_port']}"


def _has_port(endpoint: str) -> bool:
    _, colon, port = endpoint.rpartition(":")
    return bool(colon) and port.isdigit()


@cache
def content_digest(phase: Phase) -> str:
    """SHA-256 over the playbook, the role, roles/cluster and every plugin: what kprov itself brings to a phase."""
    root = content_root()
    files = [root / "playbooks" / f"{phase.name}.yml"]
    for role in (phase.name, "cluster"):
        for part in ROLE_CONTENT:
            files += _files_below(root / "roles" / role / part)
    copied = [path for directory in phase.copies for path in _files_below(PACKAGE / directory)]
    copies = _digest_of(copied, PACKAGE)[:16] if copied else ""
    return _digest_of(files, root)[:16] + _plugins_digest(root)[:16] + copies


@cache
def _plugins_digest(root: Path) -> str:
    return _digest_of(_files_below(root / "plugins"), root)


def _files_below(directory: Path) -> list[Path]:
    return [p for p in directory.rglob("*") if p.is_file() and p.suffix != ".pyc"]


def _digest_of(files: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _artifacts_digest(host: Host) -> str:
    return _release_digest(str(host.variables["artifacts_bundle"]), str(host.variables["kubernetes_version"]))


@cache
def _release_digest(bundle: str, kubernetes: str) -> str:
    """What a node would get, whatever its architecture: digests of the release's files and images."""
    manifest = load(Path(bundle) / "manifest.json") if bundle else project_manifest()
    version = manifest.release(kubernetes)["kubernetes"]
    wanted = {(name, release) for name, release in manifest.release(version).items()}
    files = [
        f
        for f in manifest.files
        if (f.name, f.version) in wanted or (f.name in KUBERNETES_FILES and f.version == version)
    ]
    pins = [[f.name, f.arch, f.sha256] for f in files]
    pins += [[i.ref, i.arch, i.digest or ""] for i in manifest.images if version in i.kubernetes]
    return hashlib.sha256(json.dumps(sorted(pins)).encode()).hexdigest()[:16]
