"""The program that looks at a node's certificates: on old Pythons, without kprov and cryptography."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from kprov.certs.node import objects
from kprov.remote.program import program
from tests.unit.certs import pki
from tests.unit.certs.nodes import LOOPBACK, PKI, Node, TlsServer

QUESTION = {"address": LOOPBACK, "endpoints": [], "tries": 0}


def test_it_runs_without_kprov() -> None:
    text = program(QUESTION, "kprov.certs.node")
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-"], input=text, capture_output=True, check=True, cwd="/")
    answer = re.search(r"KPROV-BEGIN (.*) KPROV-END", done.stdout.decode())
    assert answer
    assert json.loads(answer.group(1))["errors"] == []


def test_one_broken_topic_does_not_take_the_others_along(plane: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(named: list[str]) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr("kprov.certs.node.files.look", broken)
    inventory = plane.inventory()
    assert {"files": "RuntimeError: surprise"}.items() <= {one.what: one.why for one in inventory.unread}.items()
    assert "admin.conf" in {item.name for item in inventory.items}


def test_api_server_that_refuses_says_why(plane: Node, servers: dict[str, TlsServer]) -> None:
    assert objects.look(plane.ports["api"])["error"] is None
    plane.kubeconfig("/etc/kubernetes/admin.conf", pki.kubeconfig({"token": "t"}, pki.kubeadm().ca))
    assert "admin.conf has no client-certificate" in objects.look(plane.ports["api"])["error"]
    plane.put(f"{PKI}/ca.crt", pki.authority("kubernetes").pem)
    inventory = plane.inventory()
    assert inventory.leases == ()
    assert "leases and CA bundles in the API" in {one.what for one in inventory.unread}


def test_processes_on_other_networks_are_not_the_node_s(node: Node) -> None:
    """Pods and containers may run control planes of their own: their processes are seen from the node, too."""
    for pid, network in (("self", "net:[1]"), ("7", "net:[2]"), ("8", "net:[2]")):
        node.path(f"/proc/{pid}/ns").mkdir(parents=True)
        node.path(f"/proc/{pid}/ns/net").symlink_to(network)
    node.runs(7, "/bin/kube-apiserver", "--secure-port=1")
    node.runs(8, "/bin/kubelet")
    assert node.answer()["components"] == {}


def test_the_process_with_the_manifest_s_flags_is_the_node_s(plane: Node) -> None:
    plane.runs(50, "/bin/kube-scheduler", "--kubeconfig=/pod/scheduler.conf")
    plane.runs(60, "/bin/kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf", "--leader-elect=true")
    found = plane.answer()["components"]["kube-scheduler"]
    assert (found["pid"], found["manifest"]) == (60, "/etc/kubernetes/manifests/kube-scheduler.yaml")
