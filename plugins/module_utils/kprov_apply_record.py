"""The record of a phase that lives in the API: what kprov applied, and whether it is still as kprov left it.

A ConfigMap kprov-<phase> in kube-system, label app.kubernetes.io/managed-by=kprov, data.record = JSON.
"""

from __future__ import annotations

import hashlib
import json
import time

NAMESPACE = "kube-system"
MANAGED = "app.kubernetes.io/managed-by"
SCHEMA = 1


def label(objects: list[dict]) -> list[dict]:
    """The objects with kprov's label."""
    labelled = []
    for item in objects:
        metadata = dict(item["metadata"])
        metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED: "kprov"}
        labelled.append({**item, "metadata": metadata})
    return labelled


def digest(objects: list[dict]) -> str:
    """Digest of what is to be applied."""
    return hashlib.sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()


def identity(item: dict) -> tuple[str, str, str, str]:
    """(apiVersion, kind, namespace, name) of an object or of an entry of the record."""
    metadata = item.get("metadata", item)
    return item["apiVersion"], item["kind"], metadata.get("namespace") or "", metadata["name"]


def entry(live: dict, path: str) -> dict:
    """What the record says about an object. path: its URL on the API server."""
    api_version, kind, namespace, name = identity(live)
    metadata = live["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "path": path,
        "uid": metadata["uid"],
        "generation": metadata.get("generation"),
        "resource_version": metadata["resourceVersion"],
    }


def unchanged(entry: dict, live: dict) -> bool:
    """Whether an object is the one that was recorded: same generation, or where there is none, same version."""
    metadata = live["metadata"]
    if entry["uid"] != metadata["uid"]:
        return False
    if entry["generation"] is not None:
        return entry["generation"] == metadata.get("generation")
    return entry["resource_version"] == metadata["resourceVersion"]


def up_to_date(record: dict, manifest_sha256: str, live: list[dict]) -> bool:
    """Whether nothing has to be applied."""
    if record.get("schema") != SCHEMA or record.get("dirty") or record.get("manifest_sha256") != manifest_sha256:
        return False
    there = {identity(item): item for item in live}
    return all(identity(e) in there and unchanged(e, there[identity(e)]) for e in record["objects"])


def to_prune(record: dict, objects: list[dict]) -> list[dict]:
    """Entries of the record that are no longer rendered."""
    wanted = {(item["kind"], *identity(item)[2:]) for item in objects}
    return [e for e in record.get("objects", []) if (e["kind"], *identity(e)[2:]) not in wanted]


def planned(objects: list[dict]) -> list[dict]:
    """Entries for objects that are about to be applied: a killed run then still knows what to prune."""
    return [entry({**item, "metadata": {"uid": "", "resourceVersion": "", **item["metadata"]}}, "") for item in objects]


def document(cluster: str, fingerprint: dict | None, manifest_sha256: str, objects: list[dict], *, dirty: bool) -> dict:
    """A record of objects."""
    return {**header(cluster, fingerprint, dirty=dirty), "manifest_sha256": manifest_sha256, "objects": objects}


def header(cluster: str, fingerprint: dict | None, *, dirty: bool) -> dict:
    """What every record says, whatever it is about."""
    return {
        "schema": SCHEMA,
        "cluster": cluster,
        "fingerprint": fingerprint,
        "finished": None if dirty else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "dirty": dirty,
        "objects": [],
    }


def config_map(phase: str, record: dict) -> dict:
    """The ConfigMap that holds a record."""
    metadata = {"name": f"kprov-{phase}", "namespace": NAMESPACE, "labels": {MANAGED: "kprov"}}
    data = {"record": json.dumps(record, indent=1, sort_keys=True)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def read(found: dict) -> dict:
    """The record in a ConfigMap; {} if there is none that we understand."""
    try:
        record = json.loads(found["data"]["record"])
    except (KeyError, TypeError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("objects"), list) else {}
