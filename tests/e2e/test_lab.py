"""The lab itself, with real containers and without Kubernetes: about half a minute."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kprov.commands import lab as commands
from kprov.errors import LabError
from kprov.lab import lab, ssh
from kprov.lab.directory import lab_directory, state_home
from kprov.lab.docker import Docker
from kprov.lab.engine import connect
from kprov.lab.lab import Lab, LabSpec
from kprov.lab.network import LABEL, bridge_name
from kprov.lab.nodes import Node
from kprov.ui.progress import NoProgress

pytestmark = pytest.mark.e2e

# A documentation address: nobody is there, and a lab without a way out must not even get as far as that.
OUTSIDE = "198.51.100.1"

Up = Callable[..., Lab]


@pytest.fixture(scope="module")
def docker() -> Docker:
    return connect()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """up("a", workers=2): makes or extends a lab of this run. All of them are gone at the end."""
    bundle = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as at_end:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))

        def make(letter: str, control_planes: int = 1, workers: int = 1) -> Lab:
            name = lab_name(letter)
            at_end.callback(lab.down, name, NoProgress())
            return lab.up(
                LabSpec(name, control_planes=control_planes, workers=workers, bundle=bundle),
                NoProgress(),
            )

        yield make


def lab_name(letter: str) -> str:
    return f"lab{os.getpid()}{letter}"


def on(node: Node, *command: str, user: str = "kprov") -> subprocess.CompletedProcess[str]:
    """Run a command on a node over SSH."""
    argv = ssh.command(lab_directory(node.lab), node.address, *command, user=user)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def said(node: Node, *command: str) -> str:
    done = on(node, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def leftovers(docker: Docker, name: str) -> list[str]:
    """Whatever of a lab is still there."""
    wanted = ("--filter", f"label={LABEL}={name}")
    found = docker.lines("ps", "--all", "--quiet", *wanted)
    found += docker.lines("network", "ls", "--quiet", *wanted)
    found += docker.lines("volume", "ls", "--quiet", *wanted)
    interface = Path("/sys/class/net", bridge_name(name))
    return found + [str(path) for path in (interface, lab_directory(name).path) if path.exists()]


def test_nodes_behave_like_machines(up: Up) -> None:
    made = up("a")
    control_plane, worker = made.nodes

    assert [node.name for node in made.nodes] == [f"{made.name}-cp1", f"{made.name}-w1"]
    for node in made.nodes:
        assert said(node, "hostname") == node.name
        assert said(node, "systemctl", "is-system-running") == "running"
        assert said(node, "sudo", "-n", "id", "-u") == "0"
        assert on(node, "id", "-u", user="root").stdout.strip() == "0"
        assert said(node, "sudo", "systemd-run", "--wait", "--quiet", "--slice=kprov-test.slice", "true") == ""
        assert said(node, "sudo", "sysctl", "-n", "-w", "net.ipv4.ip_forward=1") == "1"
        assert "shared" in said(node, "findmnt", "-n", "-o", "PROPAGATION", "/")
        assert "-" in said(node, "sudo", "dd", "if=/dev/kmsg", "bs=8k", "count=1", "status=none")
        assert said(node, "findmnt", "-n", "-o", "FSTYPE", "/var/lib/containerd") != "overlay"
    said(control_plane, "ping", "-c1", "-W2", worker.address)
    assert said(control_plane, "cat", "/etc/machine-id") != said(worker, "cat", "/etc/machine-id")


def test_sudoer_is_asked_for_a_password(up: Up) -> None:
    made = up("a")
    password = lab_directory(made.name).sudo_password.read_text().strip()

    assert "password is required" in on(made.nodes[0], "sudo", "-n", "true", user="sudoer").stderr
    done = on(made.nodes[0], f"echo {password} | sudo -S -p '' id -u", user="sudoer")
    assert done.stdout.strip() == "0"


def test_there_is_no_way_out_and_lookups_fail_at_once(up: Up) -> None:
    node = up("a").nodes[0]

    started = time.monotonic()
    assert on(node, "getent", "hosts", "kubernetes.example").returncode == 2
    assert time.monotonic() - started < 5
    assert "127.0.0." not in said(node, "cat", "/etc/resolv.conf")
    assert on(node, "timeout", "2", "bash", "-c", f"'echo >/dev/tcp/{OUTSIDE}/80'").returncode != 0
    assert said(node, "ip", "route", "show", "default") != ""  # kubelet and flannel find the node's address by it


def test_a_host_key_that_changed_is_refused(up: Up, tmp_path: Path) -> None:
    node = up("a").nodes[0]
    known_hosts = lab_directory(node.lab).known_hosts
    exact = known_hosts.read_text()
    try:
        known_hosts.write_text(f"{node.address} {ssh.new_key().public}\n")
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in on(node, "true").stderr
    finally:
        known_hosts.write_text(exact)


def test_up_again_says_that_it_is_up(up: Up) -> None:
    made = up("a")
    again = up("a")

    assert made.nodes == again.nodes
    assert (again.added, again.started) == ((), ())


def test_directly_routed_traffic_between_pods_passes(up: Up) -> None:
    """What a routing CNI does: pod networks as routes to nodes, frames whose addresses are not the network's own."""
    control_plane, worker = up("a").nodes
    for node, own, peer in ((control_plane, 1, worker), (worker, 2, control_plane)):
        said(node, "sudo", "ip", "addr", "add", f"10.244.{own}.1/32", "dev", "lo")
        said(node, "sudo", "ip", "route", "add", f"10.244.{3 - own}.0/24", "via", peer.address)

    said(control_plane, "ping", "-c1", "-W2", "-I", "10.244.1.1", "10.244.2.1")


def test_a_second_lab_lives_beside_the_first_and_they_do_not_meet(up: Up) -> None:
    first = up("a")
    second = up("b", workers=0)

    assert {node.address for node in first.nodes}.isdisjoint(node.address for node in second.nodes)
    assert on(second.nodes[0], "ping", "-c1", "-W1", first.nodes[0].address).returncode != 0


def test_a_worker_is_added_and_the_others_are_not_touched(up: Up) -> None:
    before = up("a")
    boots = [said(node, "stat", "-c", "%Y.%i", "/run/systemd/system") for node in before.nodes]
    after = up("a", workers=2)

    assert after.added == (f"{after.name}-w2",)
    assert [said(node, "stat", "-c", "%Y.%i", "/run/systemd/system") for node in before.nodes] == boots
    assert after.inventory is not None
    assert f"{after.name}-w2 ansible_host=" in after.inventory.read_text()


def test_a_smaller_shape_is_refused(up: Up) -> None:
    with pytest.raises(LabError, match="has 2 workers, not 1"):
        up("a", workers=1)


def test_power_and_up_starts_what_stands_still(up: Up) -> None:
    made = up("a", workers=2)
    first, second, third = (node.name for node in made.nodes)
    states = lambda: [node["state"] for node in commands.status(name=made.name).data["labs"][0]["nodes"]]  # noqa: E731

    lab.power(first, "pause")
    lab.power(second, "kill")
    lab.power(third, "off")
    assert states() == ["paused", "stopped", "stopped"]

    lab.power(second, "on")
    assert states() == ["paused", "running", "stopped"]

    again = up("a", workers=2)
    assert again.started == (first, third)
    assert states() == ["running", "running", "running"]
    assert said(again.nodes[1], "cat", "/etc/machine-id") == said(made.nodes[1], "cat", "/etc/machine-id")


def test_down_leaves_nothing_and_a_second_down_has_nothing_to_do(up: Up, docker: Docker) -> None:
    name = up("b", workers=0).name
    other = up("a", workers=2)

    first = commands.down(NoProgress(), name=name)
    second = commands.down(NoProgress(), name=name)

    assert f"node {name}-cp1" in first.data["removed"]
    assert f"firewall rule for {bridge_name(name)}" in first.data["removed"]
    assert second.data == {"removed": [], "changed": False}
    assert leftovers(docker, name) == []
    assert lab.status(other.name)[0].nodes == other.nodes


def test_a_killed_up_is_finished_by_the_next(up: Up, docker: Docker) -> None:
    name = lab_name("k")
    script = (
        "from pathlib import Path; from kprov.lab.lab import *; from kprov.ui.progress import NoProgress;"
        f"up(LabSpec({name!r}, workers=3, bundle=Path('/')), NoProgress())"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "XDG_STATE_HOME": str(state_home().parent)}
    )
    deadline = time.monotonic() + 60
    while not docker.lines("ps", "--all", "--quiet", "--filter", f"label={LABEL}={name}"):
        assert time.monotonic() < deadline, "up made no node"
        assert running.poll() is None, "up ended before it could be killed"
    running.send_signal(signal.SIGKILL)
    running.wait()

    made = up("k", workers=3)

    assert len(made.nodes) == 4
    for node in made.nodes:
        assert said(node, "sudo", "-n", "id", "-u") == "0"


def test_a_nodes_own_files_survive_a_power_cut(up: Up) -> None:
    """The engine mounts its own hosts file over the node's; a machine's can be replaced, and stays replaced."""
    node = up("a", workers=2).nodes[0]
    said(node, "sudo", "sh", "-c", "'cp /etc/hosts /etc/hosts.new && echo 192.0.2.10 api >>/etc/hosts.new'")
    said(node, "sudo", "mv", "/etc/hosts.new", "/etc/hosts")

    lab.power(node.name, "kill")
    lab.power(node.name, "on")

    assert said(node, "getent", "hosts", "api").split() == ["192.0.2.10", "api"]
    assert said(node, "getent", "hosts", node.name).split()[0] == node.address
    assert said(node, "hostname") == node.name
