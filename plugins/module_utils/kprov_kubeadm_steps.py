"""Which phases of kubeadm have to run on this node: what is recorded, and what the node says itself."""

from __future__ import annotations

import hashlib
import os
import re

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import PHASES, real
from ansible.module_utils.kprov_state import machine_id, make_state_directory

KUBERNETES = "/etc/kubernetes"
PKI = KUBERNETES + "/pki"
MANIFESTS = KUBERNETES + "/manifests"
KUBELET_CONF = KUBERNETES + "/kubelet.conf"
BOOTSTRAP_CONF = KUBERNETES + "/bootstrap-kubelet.conf"
ADMIN_CONF = KUBERNETES + "/admin.conf"
TRACES = (KUBELET_CONF, BOOTSTRAP_CONF, ADMIN_CONF, PKI + "/ca.crt", "/var/lib/kubelet/config.yaml")

PREFLIGHT = "preflight"
KUBELET_START = "kubelet-start"
# kprov waits itself: these phases of kubeadm take no --config, so alone they cannot know the node.
WAIT_KUBELET = "kubelet-wait-bootstrap"
WAIT_CONTROL_PLANE = "wait-control-plane"
ETCD_LOCAL = "etcd local"
WAITS = (WAIT_KUBELET, WAIT_CONTROL_PLANE)
# The step that has given the node its kubelet.conf when it is finished.
IDENTITY = {"init": "kubeconfig all", "join": WAIT_KUBELET}
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Static pods that a step writes; a manifest that differs from what the step left makes it run again.
STATIC_PODS = {
    ETCD_LOCAL: ("etcd",),
    "etcd-join": ("etcd",),
    "control-plane all": ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    "control-plane-prepare control-plane": ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
}


class Step:
    """A phase of `kubeadm init` or `kubeadm join`.

    again: run again when the configuration changed or the step's manifests did; first: also run the first time.
    """

    def __init__(self, name: str, command: str, again: bool = False, first: bool = True, deadline: int = 300) -> None:
        self.name = name
        self.command = command
        self.again = again
        self.first = first
        self.deadline = deadline

    @property
    def needs_credentials(self) -> bool:
        """Whether it reads JoinConfiguration, which holds them."""
        return self.command == "join" and self.name not in WAITS


class Steps:
    """The record of a phase's steps on this node: /var/lib/kprov/phases/<phase>.steps.json."""

    def __init__(self, phase: str, command: str) -> None:
        self._path = real(f"{PHASES}/{phase}.steps.json")
        found = kprov_fs.read_json(self._path) or {}
        same = (found.get("command"), found.get("machine_id")) == (command, machine_id())
        self.command = command
        self.steps: dict[str, dict] = dict(found["steps"]) if same and isinstance(found.get("steps"), dict) else {}

    def started(self, name: str) -> bool:
        return name in self.steps

    def finished(self, name: str) -> bool:
        return bool(self.steps.get(name, {}).get("finished"))

    def start(self, name: str, config_sha256: str, now: float) -> None:
        """Record that a step begins, durably: only files that are newer than this may be cleaned up after it."""
        self.steps[name] = {"config_sha256": config_sha256, "started": now, "finished": None}
        self._save()

    def finish(self, name: str, config_sha256: str, now: float) -> None:
        """Record that a step is done, with the manifests it left."""
        started = self.steps.get(name, {}).get("started", now)
        self.steps[name] = {
            "config_sha256": config_sha256,
            "started": started,
            "finished": now,
            "files": manifests(STATIC_PODS.get(name, ())),
        }
        self._save()

    def put_back(self, records: dict[str, dict | None]) -> None:
        """Record steps as they were recorded before, durably; None: it had not begun."""
        for name, record in records.items():
            if record is None:
                self.steps.pop(name, None)
            else:
                self.steps[name] = record
        self._save()

    def reconcile(self) -> None:
        """Forget what the node itself contradicts: a reset, a lost identity, a bootstrap that never happened."""
        there = os.path.exists(real(KUBELET_CONF))
        if not any(os.path.exists(real(path)) for path in TRACES):
            self.steps = {}
        elif not there and self.finished(IDENTITY[self.command]):
            self.steps = {name: step for name, step in self.steps.items() if name == PREFLIGHT}
        elif self.command == "join" and not there:
            self.steps.pop(KUBELET_START, None)  # the token that it wrote has been withdrawn
        elif self.command == "join" and self.started(KUBELET_START) and not self.finished(KUBELET_START):
            # kubeadm refuses to start over once the Node is Ready; the kubelet has what it needs.
            self.steps[KUBELET_START]["finished"] = self.steps[KUBELET_START]["started"]

    def adopt(self, steps: list[Step], shas: dict[str, str], now: float) -> None:
        """Take a node that has joined without kprov's record for finished."""
        for step in steps:
            self.finish(step.name, shas[step.command], now)

    def todo(self, steps: list[Step], shas: dict[str, str]) -> list[Step]:
        """Steps to run, in order. shas: digest of the configuration that a command reads."""
        found: list[Step] = []
        begun = any(self.started(step.name) for step in steps if step.name != PREFLIGHT)
        for step in steps:
            if step.name == PREFLIGHT and begun:
                continue  # it would complain about what the later steps have made
            due = self._due(step, shas[step.command])
            if step.name in WAITS:
                due = bool(found) or not self.finished(step.name)
            if due:
                found.append(step)
        return found

    def _due(self, step: Step, sha256: str) -> bool:
        record = self.steps.get(step.name, {})
        if not record.get("finished"):
            return step.first or bool(record)  # begun and interrupted: it was due
        if not step.again:
            return False
        return record["config_sha256"] != sha256 or record.get("files", {}) != manifests(STATIC_PODS.get(step.name, ()))

    def _save(self) -> None:
        make_state_directory(PHASES)
        document = {"schema": 1, "command": self.command, "machine_id": machine_id(), "steps": self.steps}
        kprov_fs.write_json(self._path, document)


def manifest_path(component: str) -> str:
    """Where kubeadm puts the manifest of a static pod."""
    return f"{MANIFESTS}/{component}.yaml"


def manifests(components) -> dict[str, str]:
    """Path to sha256 of the manifests that exist."""
    paths = [manifest_path(component) for component in components]
    return {path: kprov_fs.sha256(real(path)) for path in paths if os.path.exists(real(path))}


def config_digest(text: bytes) -> str:
    """Digest of a configuration."""
    return hashlib.sha256(text).hexdigest()


def clean_up(step: str, since: float) -> list[str]:
    """Remove half-written output of a step that was interrupted, on which kubeadm would choke; only what is newer.

    Keys and certificates come in pairs: one without the other, or a cut one, goes with its pair. Cut kubeconfigs go.
    """
    removed: list[str] = []
    if "certs" in step:
        for directory in (PKI, PKI + "/etcd"):
            removed += _broken_pairs(directory, since)
    if "kubeconfig" in step:
        removed += [path for path in _newer(KUBERNETES, since) if path.endswith(".conf") and not _is_kubeconfig(path)]
    for path in removed:
        kprov_fs.remove(real(path))
    return sorted(removed)


def _broken_pairs(directory: str, since: float) -> list[str]:
    newer = [path for path in _newer(directory, since) if re.search(r"\.(crt|key|pub)$", path)]
    broken: list[str] = []
    for stem in sorted({path.rsplit(".", 1)[0] for path in newer}):
        other = ".pub" if stem.endswith("/sa") else ".crt"
        pair = [stem + ".key", stem + other]
        if not all(_is_pem(path) for path in pair):
            broken += [path for path in pair if path in newer]
    return broken


def _newer(directory: str, since: float) -> list[str]:
    try:
        names = os.listdir(real(directory))
    except FileNotFoundError:
        return []
    paths = [f"{directory}/{name}" for name in names]
    return [path for path in paths if os.path.isfile(real(path)) and os.stat(real(path)).st_mtime >= since]


def _read(path: str) -> str:
    try:
        with open(real(path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _is_pem(path: str) -> bool:
    return re.search(r"-----BEGIN [A-Z ]+-----.+-----END [A-Z ]+-----\s*$", _read(path), re.DOTALL) is not None


def _is_kubeconfig(path: str) -> bool:
    text = _read(path)
    return all(f"\n{key}:" in f"\n{text}" for key in ("kind", "clusters", "contexts", "users", "current-context"))
