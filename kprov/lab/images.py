"""Which image is made of what. References come from the artifact manifest, so kubeadm finds what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kprov.errors import LabError

Base = Literal["none", "certificates", "network"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Recipe:
    """How an image is made.

    component: name in components.yml; binaries: path in the image -> output of the component; base: the layer below.
    """

    component: str
    binaries: Mapping[str, str]
    entrypoint: tuple[str, ...]
    base: Base = "none"
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})


def _program(component: str, name: str, base: Base = "none") -> Recipe:
    """Where kubeadm's manifests look: /usr/local/bin, by PATH."""
    path = f"/usr/local/bin/{name}"
    return Recipe(component, {path: name}, (path,), base)


RECIPES: Mapping[str, Recipe] = {
    "registry.k8s.io/kube-apiserver": _program("kubernetes", "kube-apiserver"),
    "registry.k8s.io/kube-controller-manager": _program("kubernetes", "kube-controller-manager"),
    "registry.k8s.io/kube-scheduler": _program("kubernetes", "kube-scheduler"),
    "registry.k8s.io/kube-proxy": _program("kubernetes", "kube-proxy", "network"),
    "registry.k8s.io/etcd": Recipe(
        "etcd", {f"/usr/local/bin/{name}": name for name in ("etcd", "etcdctl", "etcdutl")}, ("/usr/local/bin/etcd",)
    ),
    # It forwards to resolvers over TLS when it is told to, hence the certificates.
    "registry.k8s.io/coredns/coredns": Recipe("coredns", {"/coredns": "coredns"}, ("/coredns",), "certificates"),
    "registry.k8s.io/pause": Recipe("pause", {"/pause": "pause"}, ("/pause",)),
    "registry.k8s.io/e2e-test-images/agnhost": Recipe("agnhost", {"/agnhost": "agnhost"}, ("/agnhost",)),
    "docker.io/cloudnativelabs/kube-router": _program("kube-router", "kube-router", "network"),
    "ghcr.io/flannel-io/flannel": Recipe(
        "flannel", {"/opt/bin/flanneld": "flanneld"}, ("/opt/bin/flanneld",), "network"
    ),
}


def recipe(repository: str) -> Recipe:
    """The recipe of `registry.k8s.io/pause`. Raises LabError."""
    try:
        return RECIPES[repository]
    except KeyError:
        raise LabError(
            f"the lab has no recipe for the image {repository}", hint="add one to kprov/lab/images.py"
        ) from None


def tag_version(ref: str) -> str:
    """The version that a reference's tag names: `…/etcd:3.6.8-0` -> `3.6.8`, `…/kube-proxy:v1.36.3` -> `1.36.3`."""
    tag = ref.rpartition(":")[2]
    match = re.fullmatch(r"v?(\d+(?:\.\d+)+)(?:-\d+)?", tag)
    if match is None:
        raise LabError(f"the tag of {ref} is not a version")
    return match[1]
