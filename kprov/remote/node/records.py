"""kprov's own records under /var/lib/kprov: what each phase did, and whether it still is so."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import docker, drift, read, sysctl

STATE = "/var/lib/kprov"
SCHEMA = 1


def phases(machine_id: str, bin_dir: str) -> dict[str, Any]:
    """`phases`: name to fingerprint, finished, dirty and drift; `cluster`: the name in the newest record; `settings`:
    kernel settings that the node could not take (`not_set`: key to reason) or will lose at a boot (`overridden`).

    A record that cannot be read, is of a newer schema or of another machine (a cloned disk) is as good as none.
    """
    records = {}
    dirty = set()
    for name in read.names(STATE + "/phases"):
        phase, _, suffix = name.rpartition(".")
        if "." in phase:  # <phase>.steps.json is a module's own
            continue
        if suffix == "dirty":
            dirty.add(phase)
        elif suffix == "json":
            record = read.json_object(f"{STATE}/phases/{name}")
            if record is not None and _usable(record, machine_id):
                records[phase] = record
            elif record is not None:
                dirty.discard(phase)
    artifacts = _artifacts(machine_id)
    drifts = _drifts(records, artifacts, bin_dir)
    found: dict[str, Any] = {
        phase: {
            "fingerprint": _dictionary(record.get("fingerprint")),
            "finished": record.get("finished"),
            "dirty": phase in dirty,
            "drift": drifts[phase],
        }
        for phase, record in records.items()
    }
    for phase in dirty - set(records):
        found[phase] = {"fingerprint": None, "finished": None, "dirty": True, "drift": []}
    newest = max(records.values(), key=lambda record: str(record.get("finished") or ""), default={})
    return {"phases": found, "cluster": newest.get("cluster"), "settings": _settings(records.get("os", {}))}


def artifact_version(name: str) -> str | None:
    """Version of a file that kprov installed and nobody has replaced since; None if that is not known."""
    record = read.json_object(f"{STATE}/artifacts/{name}.json")
    if record is None or any(drift.file(path, entry) for path, entry in _section(record, "files").items()):
        return None
    version = record.get("version")
    return str(version) if version else None


def runtime_root(machine_id: str) -> dict[str, Any] | None:
    """The move of the container runtime's root directory that was begun here and has left something to do.

    Raises ValueError if its record is damaged: the runtime may be stopped because of it.
    """
    path = STATE + "/runtime_root.json"
    if not read.exists(path):
        return None
    record = read.json_object(path)
    if record is None:
        raise ValueError(f"{path} is damaged")
    if not _usable(record, machine_id):
        return None
    return {
        "old": str(record["from"]),
        "new": str(record["to"]),
        "step": str(record["step"]),
        "started": str(record["started"]),
        "finished": record.get("finished"),
        "size": record.get("bytes"),
    }


def lock() -> dict[str, Any] | None:
    """lock.json as it is. Raises ValueError if it is damaged: then somebody may hold the lock."""
    path = STATE + "/lock.json"
    if not read.exists(path):
        return None
    value = read.json_object(path)
    if value is None:
        raise ValueError(f"{path} is damaged")
    return value


def _drifts(
    records: dict[str, dict[str, Any]], artifacts: list[dict[str, Any]], bin_dir: str
) -> dict[str, list[dict[str, str]]]:
    """Phase to what is not as its record, and the records of artifacts that it installed, say."""
    units = drift.unit_states({unit for record in records.values() for unit in _section(record, "units")})
    recorded_images = _images(artifacts)
    images = _present_images(records, bin_dir) if recorded_images else None
    found: dict[str, list[dict[str, str]]] = {}
    for phase, record in records.items():
        own = [artifact for artifact in artifacts if artifact.get("phase") == phase]
        files = dict(_section(record, "files"))
        for artifact in own:
            files.update(_section(artifact, "files"))
        problems = [(path, drift.file(path, entry)) for path, entry in sorted(files.items())]
        for unit, entry in sorted(_section(record, "units").items()):
            problems.append((unit, drift.unit(entry, units.get(unit))))
        unable = _section(record, "sysctl_not_set")
        for setting, entry in sorted(_section(record, "sysctl").items()):
            if setting not in unable:
                problems.append((setting, sysctl.drift(setting, entry)))
        problems.append(("swap", drift.swap(record.get("swap"))))
        if images is not None:
            wanted = sorted(image for image, owner in recorded_images.items() if owner == phase)
            problems += [(image, "missing") for image in wanted if image not in images]
        found[phase] = [{"what": what, "problem": problem} for what, problem in problems if problem]
    return found


def _settings(record: dict[str, Any]) -> dict[str, Any]:
    """What is the matter with kernel settings though they are as recorded."""
    own = next((path for path in _section(record, "files") if path.startswith("/etc/sysctl.d/")), None)
    overridden = sysctl.overrides(_section(record, "sysctl"), own) if own else []
    return {"not_set": _section(record, "sysctl_not_set"), "overridden": overridden}


def _present_images(records: dict[str, dict[str, Any]], bin_dir: str) -> set[str] | None:
    """Images of the runtime that kprov runs here; None if it does not answer."""
    docker_runs = "cri-docker.service" in _section(records.get("container_runtime", {}), "units")
    return docker.images() if docker_runs else drift.images(bin_dir)


def _images(artifacts: list[dict[str, Any]]) -> dict[str, str]:
    """Image to the phase that brought it; recorded as {ref: {"phase", ...}}, or as a list beside "phase"."""
    found: dict[str, str] = {}
    for artifact in artifacts:
        images = artifact.get("images")
        if isinstance(images, dict):
            found.update((ref, str((_dictionary(entry) or {}).get("phase"))) for ref, entry in images.items())
        elif isinstance(images, list):
            found.update((str(ref), str(artifact.get("phase"))) for ref in images)
    return found


def _artifacts(machine_id: str) -> list[dict[str, Any]]:
    found = []
    for name in read.names(STATE + "/artifacts"):
        record = read.json_object(f"{STATE}/artifacts/{name}") if name.endswith(".json") else None
        if record is not None and record.get("machine_id", machine_id) == machine_id:
            found.append(record)
    return found


def _usable(record: dict[str, Any], machine_id: str) -> bool:
    return record.get("schema") == SCHEMA and record.get("machine_id", machine_id) == machine_id


def _section(record: dict[str, Any], name: str) -> dict[str, Any]:
    return _dictionary(record.get(name)) or {}


def _dictionary(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
