"""The program that looks at a node: what it reads there, on old Pythons, without kprov."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kprov.lint.node import configz, kernel, machine, runtime
from kprov.remote.node import commands, docker, kubelet, read
from kprov.remote.program import program


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(read, "ROOT", str(tmp_path))
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_it_runs_without_kprov() -> None:
    question = {"bin_dir": "/usr/local/bin", "image_root": "/", "settings": ["kernel.pid_max"]}
    text = program(question, "kprov.lint.node")
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-"], input=text, capture_output=True, check=True, cwd="/")
    found = re.search(r"KPROV-BEGIN (.*) KPROV-END", done.stdout.decode())
    assert found
    answer = json.loads(found.group(1))
    assert answer["errors"] == [] or answer["errors"][0].startswith("kubelet: FileNotFoundError")
    assert int(answer["kernel"]["live"]["kernel.pid_max"]) > 0
    assert answer["capacity"]["memory"] > 0


def test_files_of_the_running_kubelet_in_its_order(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find", lambda name, first="": f"/bin/{name}")
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: "MainPID=42\n")
    put(node, "/proc/42/cmdline", "/bin/kubelet\0--config=/x/config.yaml\0--config-dir\0/x/d\0--node-ip=1.2.3.4\0")
    put(node, "/proc/42/stat", "42 (kube let) S " + " ".join(["0"] * 18) + " 500 0")
    put(node, "/proc/stat", "cpu 1\nbtime 1000\n")
    for name in ("/x/config.yaml", "/x/d/90.conf", "/x/d/10.conf", "/x/d/50/inner.conf", "/x/d/README"):
        put(node, name, name)
    found = kubelet.look()
    assert [path for path, _, _ in found["files"]] == [
        "/x/config.yaml",
        "/x/d/10.conf",
        "/x/d/50/inner.conf",
        "/x/d/90.conf",
    ]
    assert found["started"] == 1005.0
    assert found["args"][-1] == "--node-ip=1.2.3.4"


def test_a_stopped_kubelet_has_the_usual_files(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find", lambda name, first="": None)
    put(node, kubelet.CONFIG, "maxPods: 1")
    put(node, kubelet.DIRECTORY + "/50-kprov.conf", "maxPods: 2")
    found = kubelet.look()
    assert [text for _, text, _ in found["files"]] == ["maxPods: 1", "maxPods: 2"]
    assert found["started"] is None


def test_kernel_settings_now_and_at_the_next_boot(node: Path) -> None:
    put(node, "/proc/sys/kernel/pid_max", "4194304\n")
    put(node, "/etc/sysctl.d/90-kprov.conf", "kernel.pid_max = 4194304\n")
    put(node, "/etc/sysctl.d/95-x.conf", "# no\nkernel/pid_max=32768\n")
    found = kernel.look(["kernel.pid_max", "kernel.panic"])
    assert found == {"live": {"kernel.pid_max": "4194304"}, "boot": {"kernel.pid_max": "32768"}}


def test_containerd_says_its_cgroup_driver(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {
        "config": {"containerd": {"defaultRuntimeName": "r", "runtimes": {"r": {"options": {"SystemdCgroup": True}}}}}
    }
    asked: list[list[str]] = []
    monkeypatch.setattr(commands, "find", lambda name, first="": f"{first}/{name}")
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: asked.append(arguments) or json.dumps(info))
    put(node, "/etc/containerd/config.toml", "version = 3")
    found = runtime.look("/opt", ['containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock"'])
    assert found == {
        "name": "containerd",
        "file": "version = 3",
        "running": {"cgroup_driver": "systemd", "log_driver": None},
        "sockets": {},
    }
    assert asked == [["/opt/crictl", "--runtime-endpoint", "unix:///run/containerd/containerd.sock", "info"]]
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: None)
    assert runtime.look("/opt", [])["running"] is None


def test_a_runtime_that_hangs_is_not_asked_for_more(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {"/run/containerd/containerd.sock": "gives no answer within 5 s"}
    monkeypatch.setattr(runtime, "answers", lambda name: silent)
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: pytest.fail("crictl was asked"))
    found = runtime.look("/opt", [])
    assert (found["running"], found["sockets"]) == (None, silent)


def test_docker_is_known_by_its_socket(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "get", lambda path: {"CgroupDriver": "systemd", "LoggingDriver": "json-file"})
    put(node, "/etc/docker/daemon.json", "{}")
    found = runtime.look("/opt", ["a: b\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n"])
    assert (found["name"], found["file"], found["running"]["log_driver"]) == ("docker", "{}", "json-file")


def test_what_the_machine_has(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"busctl": "t 30000000\n", "systemd-analyze": "#InhibitDelayMaxSec=5\nInhibitDelayMaxSec=30\n"}
    monkeypatch.setattr(commands, "find", lambda name, first="": name)
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: said[arguments[0]])
    put(node, "/proc/swaps", "Filename Type\n/dev/sda2 partition\n")
    put(node, "/run/systemd/inhibit", "")
    put(node, "/x/resolv.conf", "nameserver 127.0.0.53\n")
    put(node, "/sys/fs/cgroup/cgroup.controllers", "cpu memory")
    put(node, "/sys/fs/cgroup/kube.slice/memory.max", "max")
    files = ["resolvConf: /x/resolv.conf", 'kubeReservedCgroup: "/kube.slice"\nsystemReservedCgroup: /gone']
    assert machine.look(files, []) == {
        "swap": ["/dev/sda2"],
        "nameservers": {"/x/resolv.conf": ["127.0.0.53"]},
        "cgroups": ["/kube.slice"],
        "shutdown_delay": {"live": 30000000, "file": "30"},
    }


class FakeClient:
    """An API server that knows two Nodes, of which one has no kubelet that answers."""

    def __init__(self, port: int, deadline: float) -> None:
        assert port == 6443

    def get(self, path: str) -> dict[str, object]:
        if path == "/api/v1/nodes":
            return {"items": [{"metadata": {"name": n}, "spec": {"podCIDR": f"10.0.{n}.0/24"}} for n in "12"]}
        if path == "/api/v1/nodes/1/proxy/configz":
            return {"kubeletconfig": {"maxPods": 5}}
        raise http.client.HTTPException("connection refused")

    def close(self) -> None:
        """Nothing is open."""


def test_a_kubelet_that_does_not_answer_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configz, "Client", FakeClient)
    found = configz.ask(6443, ["1", "2", "3"])
    assert found["1"] == {"config": {"maxPods": 5}, "error": None, "pod_cidr": "10.0.1.0/24"}
    assert found["2"]["config"] is None
    assert "connection refused" in found["2"]["error"]
    assert found["3"] == {"config": None, "error": "there is no such Node", "pod_cidr": None}
