"""kprov_artifacts where nodes download for themselves: a mirror with the publishers' layout, good and bad.

Runs on a lab of its own. KPROV_E2E_INVENTORY names the inventory of one that is there already; its last host is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeLab

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
VERSION = "9.9.9"
CONTENT = b"#!/bin/sh\necho kprov-e2e-tool\n" * 1000
TOOLS = "/usr/local/kprov-e2e"
TASKS = f"""
- kprov_artifacts:
    phase: e2e_artifacts
    files:
      - {{name: one, version: {VERSION}, path: {TOOLS}/one}}
      - {{name: two, version: {VERSION}, path: {TOOLS}/two}}
- kprov_units:
    phase: e2e_artifacts
    units: []
    record: {{}}
"""
CLEAN = (
    f"rm -rf {TOOLS} /var/lib/kprov/artifacts/one.json /var/lib/kprov/artifacts/two.json "
    "/var/lib/kprov/phases/e2e_artifacts.*"
)


class Mirror(ThreadingHTTPServer):
    """Serves /dl.example/NAME; what a path answers can be changed."""

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Handler)
        self.bodies = {f"/dl.example/{name}": CONTENT for name in ("one", "two")}
        self.cut: set[str] = set()
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Base URL, as the nodes see it."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers as the Mirror says."""

    server: Mirror

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        body = self.server.bodies.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path in self.server.cut else body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@dataclass
class Node:
    """One node, and a role that installs two files on it from the mirror."""

    directory: Path
    inventory: Path
    host: str
    mirror: Mirror | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the role."""
        assert self.mirror
        variables = {"artifacts_bundle": "", "artifacts_mirror": self.mirror.url, "kubernetes_version": VERSION}
        variables |= {"bin_dir": TOOLS, "cri_socket": "unix:///none", "container_runtime": "containerd"}
        variables |= {"image_repository": "", "cluster_name": "e2e"}
        file = self.directory / "variables.json"
        file.write_text(json.dumps({**variables, "host": self.host}))
        return self._ansible("ansible-playbook", "-e", f"@{file}", *options, "play.yml")

    def shell(self, script: str) -> str:
        """Output of a shell script on the node, as root."""
        done = self._ansible("ansible", self.host, "-b", "-m", "raw", "-a", script)
        lines = [line for line in done.stdout.splitlines()[1:] if not line.startswith("Shared connection")]
        return "\n".join(lines).strip()

    def leftovers(self) -> str:
        """What should not be there after a failure."""
        return self.shell(f"ls -A {TOOLS} /var/lib/kprov/staging 2>/dev/null | grep -v ':$' | grep . || true")

    def _ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(self.directory / "roles"),
            "KPROV_CONTENT_ROOT": str(self.directory),
        }
        argv = [str(BIN / program), "-i", str(self.inventory), *arguments]
        return subprocess.run(
            argv, cwd=self.directory, env=environment, capture_output=True, text=True, check=False, timeout=180
        )


def write_manifest(directory: Path, **sha256: str) -> None:
    """A manifest with the publishers' URLs."""
    files = [
        {"name": name, "version": VERSION, "arch": arch, "url": f"https://dl.example/{name}", "sha256": digest}
        for name, digest in sha256.items()
        for arch in ("amd64", "arm64")
    ]
    releases = {VERSION: {"kubernetes": VERSION}}
    document = {"kind": "kprov.artifacts/v1", "releases": releases, "files": files, "images": []}
    (directory / "artifacts").mkdir(exist_ok=True)
    (directory / "artifacts/manifest.yml").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def inventory(make_lab: MakeLab) -> Path:
    """Inventory of a lab."""
    given = os.environ.get("KPROV_E2E_INVENTORY")
    return Path(given) if given else make_lab("artifacts", control_planes=1, workers=0).inventory


@pytest.fixture
def node(inventory: Path, tmp_path: Path) -> Iterator[Node]:
    """A node without the files; the mirror listens on the lab's bridge, the only address that nodes reach."""
    (tmp_path / "roles/e2e/tasks").mkdir(parents=True)
    (tmp_path / "roles/e2e/tasks/main.yml").write_text(TASKS)
    (tmp_path / "play.yml").write_text("- {hosts: '{{ host }}', gather_facts: false, become: true, roles: [e2e]}\n")
    digest = hashlib.sha256(CONTENT).hexdigest()
    write_manifest(tmp_path, one=digest, two=digest)
    argv = [str(BIN / "ansible-inventory"), "-i", str(inventory), "--list"]
    listed = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    node = Node(tmp_path, inventory, sorted(listed["_meta"]["hostvars"])[-1])
    bridge = node.shell("ip route show default").split()[2]
    node.shell(CLEAN)
    with Mirror(bridge) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        node.mirror = mirror
        yield node
        mirror.shutdown()
    node.shell(CLEAN)


def test_node_downloads_from_the_mirror_once(node: Node) -> None:
    assert node.mirror
    first = node.run()
    assert first.returncode == 0, first.stdout
    assert node.shell(f"{TOOLS}/one | head -n1; stat -c '%a %U' {TOOLS}/two").split("\n") == [
        "kprov-e2e-tool",
        "755 root",
    ]
    assert sorted(node.mirror.requests) == ["/dl.example/one", "/dl.example/two"]
    second = node.run()
    assert "changed=0" in second.stdout, second.stdout
    assert len(node.mirror.requests) == 2


def test_wrong_digest_is_refused_and_nothing_installed(node: Node) -> None:
    assert node.mirror
    node.mirror.bodies["/dl.example/two"] = b"something else"
    done = node.run()
    assert done.returncode == 2
    expected, got = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"something else").hexdigest()
    said = f"two {VERSION}: {node.mirror.url}/dl.example/two has sha256 {got}, expected {expected}"
    assert said in done.stdout
    assert node.leftovers() == ""


def test_missing_file_is_named_with_its_url(node: Node) -> None:
    assert node.mirror
    del node.mirror.bodies["/dl.example/one"]
    done = node.run()
    assert done.returncode == 2
    assert f"one {VERSION}: {node.mirror.url}/dl.example/one: the server says 404" in done.stdout
    assert node.leftovers() == ""


def test_cut_transfer_says_how_much_came(node: Node) -> None:
    assert node.mirror
    node.mirror.cut.add("/dl.example/two")
    done = node.run()
    assert done.returncode == 2
    assert f"got {len(CONTENT) // 2} of {len(CONTENT)} bytes" in done.stdout
    assert node.leftovers() == ""


def test_unreachable_mirror_is_named(node: Node) -> None:
    assert node.mirror
    node.mirror.server_close()
    done = node.run()
    assert done.returncode == 2
    assert f"{node.mirror.url}/dl.example/one: [Errno 111] Connection refused" in done.stdout


def test_check_mode_downloads_nothing(node: Node) -> None:
    assert node.mirror
    done = node.run("--check")
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert node.mirror.requests == []
    assert node.leftovers() == ""
