"""The static pods of a control plane: what their manifests say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ansible.module_utils.kprov_paths import real

MANIFESTS = "/etc/kubernetes/manifests"


@dataclass(frozen=True)
class StaticPod:
    """A manifest. name: of its container, as of the file; text: of the manifest."""

    name: str
    text: str

    def flag(self, name: str) -> str | None:
        """Value of a command-line flag; None if it is not there."""
        found = re.search(rf"--{name}=([^\s\"']+)", self.text)
        return found.group(1) if found else None

    def mounts(self, path: str) -> bool:
        """Whether the pod has exactly this file of the node."""
        return re.search(rf"^\s*path:\s*[\"']?{re.escape(path)}[\"']?\s*$", self.text, re.MULTILINE) is not None


def pods() -> dict[str, StaticPod]:
    """Name to static pod."""
    found = {}
    try:
        names = sorted(os.listdir(real(MANIFESTS)))
    except FileNotFoundError:
        return {}
    for file in names:
        name, suffix = os.path.splitext(file)
        if suffix in (".yaml", ".yml", ".json") and not file.startswith("."):
            with open(real(f"{MANIFESTS}/{file}"), encoding="utf-8") as manifest:
                found[name] = StaticPod(name, manifest.read())
    return found


def pki_directory(found: dict[str, StaticPod]) -> str:
    """kubeadm's certificatesDir: where the API server has its CA."""
    api = found.get("kube-apiserver")
    return os.path.dirname((api and api.flag("client-ca-file")) or "/etc/kubernetes/pki/ca.crt")
