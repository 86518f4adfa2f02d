"""Check mode of a scenario's playbook, as Molecule's own `check` cannot judge it: it must leave every node as it is."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

from tests.e2e.cluster import FILES, PROCESSES

# What a role changes outside of files: kernel settings of a node, and objects in the cluster. (A DaemonSet's status
# changes by itself, so of controllers only the generation counts.)
LIVE = r"""
sysctl --ignore net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables fs.inotify.max_user_instances
systemctl list-unit-files --no-legend containerd.service docker.service cri-docker.service kubelet.service
if [ -e /etc/kubernetes/admin.conf ]; then
  list() {
    kubectl --kubeconfig /etc/kubernetes/admin.conf get "$1" -A \
      -o jsonpath='{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.'"$2"'}{"\n"}{end}'
  }
  kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes \
    -o jsonpath='{range .items[*]}{.metadata.labels} {.spec.taints}{"\n"}{end}'
  list nodes,pods,daemonsets,deployments uid
  list daemonsets,deployments generation
  list secrets,configmaps,serviceaccounts,clusterroles resourceVersion
  crictl ps -q | sort
fi
"""
SETTLE_SECONDS = 60.0


@pytest.fixture
def check(nodes: dict[str, Host]) -> Callable[[], int]:
    """Runs the scenario's playbook in check mode; returns how many tasks would change something.

    Fails the test when a node is different afterwards.
    """
    return lambda: run_check(nodes)


def run_check(nodes: dict[str, Host]) -> int:
    """See `check`."""
    config = yaml.safe_load(Path(os.environ["MOLECULE_FILE"]).read_text())["ansible"]
    playbook = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], config["playbooks"]["converge"])
    # Molecule's own inventory has a scenario's variables, the lab's has the nodes.
    inventories = [
        f"--inventory={Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY'], 'inventory')}",
        *config["executor"]["args"]["ansible_playbook"],
    ]
    before = settled_snapshot(nodes)
    run = subprocess.run(
        ["ansible-playbook", "--check", *inventories, str(playbook)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"},
    )
    assert run.returncode == 0, f"check mode failed:\n{run.stdout}\n{run.stderr}"
    after = snapshot(nodes)
    for node, lines in before.items():
        different = sorted(set(lines) ^ set(after[node]))
        assert not different, f"check mode changed {node}:\n" + "\n".join(different)
    return sum(map(int, re.findall(r"\bchanged=(\d+)", run.stdout)))


def settled_snapshot(nodes: dict[str, Host]) -> dict[str, list[str]]:
    """A snapshot of nodes where nothing is going on any more: pods may still be starting after a converge."""
    end = time.monotonic() + SETTLE_SECONDS
    last = read(nodes, LIVE)
    while True:
        time.sleep(1)
        now = read(nodes, LIVE)
        if now == last:
            return snapshot(nodes)
        assert time.monotonic() < end, f"the nodes did not settle within {SETTLE_SECONDS:.0f} s"
        last = now


def snapshot(nodes: dict[str, Host]) -> dict[str, list[str]]:
    """Node -> lines about everything that a role may change there."""
    return read(nodes, FILES + PROCESSES + LIVE)


def read(nodes: dict[str, Host], script: str) -> dict[str, list[str]]:
    """Node -> what a script prints there; on a fresh node much of it only complains."""
    found = {name: host.run(f"{{ {script} }} 2>/dev/null").stdout.splitlines() for name, host in nodes.items()}
    assert all(found.values())
    return found
