"""`kprov certs check` on large inventories: every host is a login at one real sshd on this machine.

Behind each login lies the recorded answer of a control plane or a worker, so the hosts' own work (a second of a machine
of its own) is left out, and the server's half of all SSH handshakes, which real hosts do themselves, is in. Design
target: 100 hosts in less than 5 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import print_table
from benchmarks.timing import timed
from kprov.certs.look import look
from kprov.certs.rules import judge
from kprov.remote.node import read
from kprov.remote.ssh import Connections
from kprov.spec.load import load
from tests.sshd import Server, private_sshd
from tests.unit.certs import pki
from tests.unit.certs.nodes import Node, kubeadm_files, serving
from tests.unit.certs.test_rules import LIMITS

SIZES = (10, 50, 100)
PLANES = 3
# What a node's Python would print.
PYTHON = """#!/bin/sh
cat >/dev/null
printf 'KPROV-TIME %s\\nKPROV-BEGIN ' "$(date +%s.%N)"
cat {answer}
echo ' KPROV-END'
"""
WORKER = (
    "/etc/kubernetes/pki/ca.crt",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/var/lib/kubelet/pki/kubelet.crt",
)


def record(directory: Path) -> None:
    """Answers of a healthy control plane and of a worker of its cluster, and the programs that print them."""
    made = pki.kubeadm()
    read.ROOT = str(directory / "node")
    node = Node(directory / "node")
    kubeadm_files(node, made)
    with serving(node, made):
        plane = {**node.answer(), "uid": 0}
    node.close()
    kubelet = {"kubelet": plane["components"]["kubelet"]}
    sockets = [one for one in plane["sockets"] if one["component"] == "kubelet"]
    files = [
        {**one, "key": None} if one["path"] == WORKER[0] else one for one in plane["files"] if one["path"] in WORKER
    ]
    kubeconfigs = [one for one in plane["kubeconfigs"] if one["path"].endswith("/kubelet.conf")]
    worker = {**plane, "components": kubelet, "files": files, "kubeconfigs": kubeconfigs, "sockets": sockets}
    worker |= {"service_account": None, "api": None}
    for name, answer in (("plane", plane), ("worker", worker)):
        (directory / f"{name}.json").write_text(json.dumps(answer))
        program = directory / name
        program.write_text(PYTHON.format(answer=directory / f"{name}.json"))
        program.chmod(0o755)


def write_inventory(directory: Path, server: Server, hosts: int) -> Path:
    """Three control planes and the rest workers."""
    names = [f"node{n}" for n in range(1, hosts + 1)]
    places = [f"{n // 250}.{n % 250 + 1}" for n in range(hosts)]
    lines = [f"{n} ansible_host=127.1.{place} ip=10.1.{place}" for n, place in zip(names, places, strict=True)]
    lines += ["[kube_control_plane]", *names[:PLANES], "[kube_node]", *names[PLANES:]]
    lines += ["[kube_control_plane:vars]", f"ansible_python_interpreter={directory}/plane"]
    lines += ["[kube_node:vars]", f"ansible_python_interpreter={directory}/worker"]
    common = " ".join(server.ssh_args(*(f"127.1.{place}" for place in places)))
    login = f"ansible_port={server.port}\nansible_user={server.user}\nansible_ssh_private_key_file={server.key}"
    lines += ["[all:vars]", login, f"ansible_ssh_common_args={common}"]
    lines += ["ansible_become=false", "cluster_name=bench", "kubernetes_version=1.36"]
    lines += ["control_plane_endpoint=10.1.0.1:6443", "control_plane_schedulable=true"]
    path = directory / f"inventory-{hosts}.ini"
    path.write_text("\n".join(lines) + "\n")
    return path


def measure(directory: Path, server: Server, hosts: int) -> list[object]:
    """One row of the table; the columns are named in main()."""
    inventory = write_inventory(directory, server, hosts)
    ansible = Path(sys.executable).parent / "ansible-inventory"
    listing = timed(lambda: subprocess.run([ansible, "-i", inventory, "--list"], check=True, capture_output=True)).best
    spec = load(inventory).spec

    before, started = time.process_time(), time.perf_counter()
    with Connections() as shell:
        found = look(spec, spec.hosts, shell)
    asking, cpu = time.perf_counter() - started, time.process_time() - before
    judging = timed(lambda: judge(found, LIMITS, spec)).best
    whole = timed(lambda: command(inventory), runs=1).best
    return [hosts, len(found.machines), len(found.items), listing, asking, cpu, judging, whole]


def command(inventory: Path) -> None:
    """The command in a process of its own. Findings are fine: the recorded leases grow old."""
    argv = [sys.executable, "-m", "kprov", "certs", "check", str(inventory), "-o", "json"]
    said = json.loads(subprocess.run(argv, capture_output=True, check=False).stdout)
    assert said["data"]["items"], said["problems"][:3]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        os.environ["HOME"] = name  # nothing of the user's own ~/.ssh
        os.environ.pop("SSH_AUTH_SOCK", None)
        record(directory)
        with private_sshd(directory / "sshd") as server:
            rows = [measure(directory, server, hosts) for hosts in SIZES]
    columns = [
        "hosts",
        "answered",
        "certificates",
        "ansible-inventory",
        "ask all over SSH",
        "kprov's CPU of it",
        "judge",
        "command",
    ]
    print_table("kprov certs check (seconds)", columns, rows)


if __name__ == "__main__":
    main()
