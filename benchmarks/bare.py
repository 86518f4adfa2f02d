"""The yardstick: what a bare script does with the same artifacts. tar over ssh, kubeadm init and join, nothing checked.

Configuration files are taken from a node that kprov has set up, so both end in the same cluster.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kprov.artifacts.bundle import Bundle

CONFIGURATION = (
    "/etc/modules-load.d/kprov.conf",
    "/etc/sysctl.d/90-kprov.conf",
    "/etc/containerd/config.toml",
    "/etc/systemd/system/containerd.service",
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/etc/kubernetes/kubelet.conf.d/50-kprov.conf",
    "/etc/kubernetes/kubeadm.yaml",
    "/etc/crictl.yaml",
)
PREPARE = """set -e
modprobe -a overlay br_netfilter 2>/dev/null || true
sysctl -qe --system || true
systemctl daemon-reload
systemctl enable -q --now containerd
systemctl enable -q kubelet
"""
IGNORED = "--ignore-preflight-errors=SystemVerification"


@dataclass(frozen=True)
class Payload:
    """What goes to one node: a tar of files for / and an archive of images."""

    files: Path
    images: Path


@dataclass(frozen=True)
class Node:
    """How to run a command there: argv up to the command."""

    ssh: tuple[str, ...]

    def run(self, command: str, stdin: Path | bytes | None = None) -> str:
        """Run a shell command as root; its stdin is a file or bytes."""
        argv = [*self.ssh, f"sudo sh -c {_quoted(command)}"]
        if isinstance(stdin, Path):
            with stdin.open("rb") as file:
                return subprocess.run(argv, stdin=file, check=True, capture_output=True).stdout.decode()
        return subprocess.run(argv, input=stdin or b"", check=True, capture_output=True).stdout.decode()


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def configuration_of(node: Node) -> dict[str, bytes]:
    """The configuration files of a node that kprov made."""
    packed = node.run(f"tar -c -C / --ignore-failed-read {' '.join(p[1:] for p in CONFIGURATION)} 2>/dev/null | base64")
    import base64

    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
        return {f"/{m.name}": archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]


def network_manifest_of(node: Node) -> bytes:
    """The network plugin's objects, as they can be created again."""
    kinds = "serviceaccount,configmap,daemonset,clusterrole,clusterrolebinding"
    kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
    labelled = "-l app.kubernetes.io/managed-by=kprov"
    objects = json.loads(node.run(f"{kubectl} get -n kube-system {kinds} {labelled} -o json"))
    for item in objects["items"]:
        item.pop("status", None)
        keep = ("name", "namespace", "labels")
        item["metadata"] = {k: v for k, v in item["metadata"].items() if k in keep}
    return json.dumps(objects).encode()


def make_payload(
    directory: Path, bundle: Bundle, kubernetes: str, control_plane: bool, configuration: dict[str, bytes]
) -> Payload:
    """Everything that one node needs, made before the clock starts."""
    files = directory / "files.tar"
    with tarfile.open(files, "w") as out:
        for entry in bundle.manifest.release_files(kubernetes, "amd64"):
            source = bundle.file_path(entry)
            if entry.name in {"etcd"} or (entry.name == "kubectl" and not control_plane):
                continue
            if source.name.endswith(("gz", "tgz")):
                where = "opt/cni/bin" if entry.name == "cni-plugins" else "usr/local/bin"
                _repack(out, source, where)
            else:
                _add(out, f"usr/local/bin/{entry.name}", source.read_bytes(), 0o755)
        for path, content in configuration.items():
            _add(out, path[1:], content, 0o600 if path.endswith("kubeadm.yaml") else 0o644)
    uses = ["node", "kube-router", "verify", *(["control_plane"] if control_plane else [])]
    refs = [image.ref for image in bundle.manifest.images_for(kubernetes, "amd64", uses)]
    images = directory / "images.tar"
    bundle.images.write_archive(images, refs, "amd64")
    return Payload(files, images)


def _repack(out: tarfile.TarFile, source: Path, where: str) -> None:
    with tarfile.open(source) as archive:
        for member in archive:
            if member.isfile():
                content = archive.extractfile(member)
                assert content
                _add(out, f"{where}/{Path(member.name).name}", content.read(), 0o755)


def _add(out: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    out.addfile(info, io.BytesIO(content))


def install(
    control_plane: Node, workers: list[Node], payloads: dict[Node, Payload], network: bytes, names: list[str]
) -> None:
    """The bare script. Ends when every node is Ready and every pod of the network plugin runs."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: _supply(node, payloads[node]), [control_plane, *workers]))
        control_plane.run(f"kubeadm init --config /etc/kubernetes/kubeadm.yaml {IGNORED} --skip-token-print")
        control_plane.run("kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f -", network)
        join = control_plane.run("kubeadm token create --ttl 15m --print-join-command").strip()
        jobs = zip(workers, names[1:], strict=True)
        list(pool.map(lambda job: job[0].run(f"{join} --node-name {job[1]} {IGNORED}"), jobs))
    kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
    control_plane.run(f"{kubectl} -n kube-system rollout status daemonset/kube-router --timeout 120s")
    control_plane.run(f"{kubectl} wait --for=condition=Ready node --all --timeout 120s")


def _supply(node: Node, payload: Payload) -> None:
    node.run("tar -x -C /", payload.files)
    node.run(PREPARE)
    node.run("ctr -n k8s.io images import --local -", payload.images)
