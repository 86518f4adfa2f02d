"""Files as the daemons read them."""

from __future__ import annotations

import pytest

from kprov.lint import written
from kprov.lint.record import Runtime

BASE = "/var/lib/kubelet/config.yaml"
OURS = "/etc/kubernetes/kubelet.conf.d/50-kprov.conf"


def test_later_files_win_field_by_field_and_null_removes() -> None:
    files = [
        (
            BASE,
            "maxPods: 110\nsyncFrequency: 0s\nauthentication: {anonymous: {enabled: false}, webhook: {enabled: true}}",
        ),
        (OURS, "maxPods: 50\nevictionHard: {memory.available: 200Mi}"),
        ("90.conf", "authentication: {anonymous: {enabled: true}}\nevictionHard: {nodefs.available: null}"),
    ]
    config, origins, damaged = written.kubelet(files)
    assert config
    assert config.get("maxPods") == 50
    assert config.get("authentication") == {"anonymous": {"enabled": True}, "webhook": {"enabled": True}}
    assert config.get("evictionHard") == {
        "memory.available": "200Mi",
        "nodefs.inodesFree": "5%",
        "imagefs.available": "15%",
        "imagefs.inodesFree": "5%",
    }
    assert "syncFrequency" not in config.fields
    assert origins["maxPods",] == OURS
    assert origins["authentication", "anonymous", "enabled"] == "90.conf"
    assert damaged == {}


def test_one_threshold_in_the_first_file_replaces_all_unless_they_are_merged() -> None:
    partial = "evictionHard: {memory.available: 1Gi}"
    alone, _, _ = written.kubelet([(BASE, partial)])
    merged, _, _ = written.kubelet([(BASE, partial + "\nmergeDefaultEvictionSettings: true")])
    assert alone
    assert merged
    assert set(alone.get("evictionHard")) == {"memory.available"}
    assert len(merged.get("evictionHard")) == 5


@pytest.mark.parametrize("text", ["a: [", "just text", ""])
def test_a_file_that_nobody_can_read_is_named(text: str) -> None:
    config, _, damaged = written.kubelet([(BASE, "maxPods: 5"), ("bad.conf", text)])
    assert list(damaged) == ["bad.conf"]
    assert config
    assert config.get("maxPods") == 5


def test_without_files_nothing_is_known() -> None:
    assert written.kubelet([]) == (None, {}, {})


CONTAINERD_2 = """version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
"""
CONTAINERD_1 = """version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
DAEMON = '{"exec-opts": ["native.cgroupdriver=systemd"], "log-opts": {"max-size": "10m"}}'


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("containerd", CONTAINERD_2, Runtime("containerd", "systemd")),
        ("containerd", CONTAINERD_1, Runtime("containerd", "cgroupfs")),
        ("containerd", "version = 3", Runtime("containerd")),
        ("containerd", "version = ", None),
        ("docker", DAEMON, Runtime("docker", "systemd", "json-file", True)),
        ("docker", "{}", Runtime("docker", None, "json-file", False)),
        ("docker", '{"log-driver": "local"}', Runtime("docker", None, "local", True)),
        ("docker", "[]", None),
        ("docker", None, None),
    ],
)
def test_runtime(name: str, text: str | None, found: Runtime | None) -> None:
    assert written.runtime(name, text) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("1min 30s", 90), ("5s", 5), ("2h", 7200), ("infinity", float("inf")), ("", None), ("soon", None)],
)
def test_time_spans_of_systemd(text: str, seconds: float | None) -> None:
    assert written.timespan(text) == seconds
