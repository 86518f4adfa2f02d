"""Records on a node against what is there: the judgement that lets kprov skip a phase."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kprov.remote.node import cluster, commands, drift, records
from tests.unit.remote.conftest import put

NO_SETTINGS: dict[str, object] = {"not_set": {}, "overridden": []}
ME = "machine-1"


def entry(file: Path, **more: object) -> dict[str, Any]:
    status = file.stat()
    return {
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "stat": [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino],
        **more,
    }


def record(node: Path, phase: str = "os", **fields: Any) -> None:
    value = {
        "schema": 1,
        "phase": phase,
        "cluster": "c",
        "machine_id": ME,
        "fingerprint": {"a": 1},
        "files": {},
        "units": {},
        "finished": "2026-01-01T00:00:00Z",
    }
    put(node, f"/var/lib/kprov/phases/{phase}.json", json.dumps({**value, **fields}))


def problems(phase: str = "os") -> list[tuple[str, str]]:
    return [(d["what"], d["problem"]) for d in records.phases(ME, "/bin")["phases"][phase]["drift"]]


def test_nothing_there(node: Path) -> None:
    assert records.phases(ME, "/bin") == {"phases": {}, "cluster": None, "settings": NO_SETTINGS}
    assert records.lock() is None


def test_untouched_file_is_not_even_read(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(node, "/etc/x", "1")
    record(node, files={"/etc/x": entry(file, mode=f"{file.stat().st_mode & 0o7777:04o}")})
    monkeypatch.setattr(drift, "sha256", lambda path: pytest.fail("was hashed"))
    assert problems() == []
    assert records.phases(ME, "/bin")["cluster"] == "c"


def test_file_written_again_with_the_same_content_is_no_drift(node: Path) -> None:
    file = put(node, "/etc/x", "1")
    recorded = entry(file)
    file.unlink()
    put(node, "/etc/x", "1")
    os.utime(file, (1, 1))
    record(node, files={"/etc/x": recorded})
    assert problems() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.write_text("2"), "differs"),
        (lambda f: f.unlink(), "missing"),
        (lambda f: f.chmod(0o600), "has mode 0600, not 0644"),
        (lambda f: (f.unlink(), f.mkdir()), "differs"),
    ],
)
def test_drift_of_a_file(node: Path, change: Any, problem: str) -> None:
    file = put(node, "/etc/x", "1")
    file.chmod(0o644)
    record(node, files={"/etc/x": entry(file, mode="0644")})
    change(file)
    assert problems() == [("/etc/x", problem)]


def test_same_size_and_mtime_do_not_hide_a_change(node: Path) -> None:
    file = put(node, "/etc/x", "1")
    recorded = entry(file)
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_text("2")
    os.utime(file, ns=times)
    record(node, files={"/etc/x": recorded})
    assert problems() == [("/etc/x", "differs")]


def test_owner_is_compared_if_recorded(node: Path) -> None:
    file = put(node, "/etc/x", "1")
    record(node, files={"/etc/x": entry(file, uid=file.stat().st_uid + 1)})
    assert problems() == [("/etc/x", f"has uid {file.stat().st_uid}, not {file.stat().st_uid + 1}")]


def test_units(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def states(units: set[str]) -> dict[str, str]:
        asked.append(units)
        return {"a.service": "active", "b.service": "failed", "c.service": "inactive", "d.service": "inactive"}

    monkeypatch.setattr(drift, "unit_states", states)
    put(node, "/etc/there", "")
    units = {
        "a.service": {"start_if": None},
        "b.service": {"start_if": None},
        "c.service": {"start_if": "/etc/missing"},
    }
    record(node, units=units)
    record(node, "kubelet", units={"d.service": {"start_if": "/etc/there"}})
    assert problems() == [("b.service", "inactive")]
    assert problems("kubelet") == [("d.service", "inactive")]
    assert asked[0] == {"a.service", "b.service", "c.service", "d.service"}


def test_unit_states_come_from_one_call(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def output(arguments: list[str], timeout: float) -> str:
        calls.append(arguments)
        return "ActiveState=active\n\nActiveState=failed\n"

    monkeypatch.setattr(commands, "find", lambda name: "/bin/systemctl")
    monkeypatch.setattr(commands, "output", output)
    assert drift.unit_states({"b", "a"}) == {"a": "active", "b": "failed"}
    assert len(calls) == 1


def test_files_of_an_artifact_belong_to_the_phase_that_installed_it(node: Path) -> None:
    record(node, "kubernetes")
    file = put(node, "/usr/local/bin/kubelet", "elf")
    artifact = {"phase": "kubernetes", "version": "1.36.3", "files": {"/usr/local/bin/kubelet": entry(file)}}
    put(node, "/var/lib/kprov/artifacts/kubelet.json", json.dumps(artifact))
    assert problems("kubernetes") == []
    assert cluster.kubelet_version("/usr/local/bin") == "1.36.3"
    file.write_text("other")
    assert problems("kubernetes") == [("/usr/local/bin/kubelet", "differs")]
    assert cluster.kubelet_version("/usr/local/bin") is None


def test_images_are_compared_only_if_containerd_answers(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(node, "kubernetes")
    put(
        node,
        "/var/lib/kprov/artifacts/images-kubernetes.json",
        json.dumps({"phase": "kubernetes", "images": ["r/a:1", "r/b:1"]}),
    )
    assert problems("kubernetes") == []
    monkeypatch.setattr(drift, "images", lambda bin_dir: {"r/a:1"})
    assert problems("kubernetes") == [("r/b:1", "missing")]


def test_images_recorded_with_their_phase(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(node, "kubernetes")
    record(node, "network")
    images = {"r/a:1": {"digest": "x", "phase": "kubernetes"}, "r/b:1": {"digest": "y", "phase": "network"}}
    put(node, "/var/lib/kprov/artifacts/images.json", json.dumps({"schema": 1, "images": images}))
    monkeypatch.setattr(drift, "images", lambda bin_dir: set())
    assert problems("kubernetes") == [("r/a:1", "missing")]
    assert problems("network") == [("r/b:1", "missing")]


def test_kernel_settings(node: Path) -> None:
    put(node, "/proc/sys/net/ipv4/ip_forward", "0\n")
    put(node, "/proc/sys/net/ipv4/conf/eth0.1/rp_filter", "1\n")
    put(node, "/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
    values = {
        "net.ipv4.ip_forward": "1",
        "net/ipv4/conf/eth0.1/rp_filter": "1",
        "net.ipv4.conf.eth0/1.rp_filter": 1,
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "net.bridge.x": "1",
    }
    record(node, sysctl=values)
    assert problems() == [("net.bridge.x", "missing"), ("net.ipv4.ip_forward", "is 0, not 1")]


def test_kernel_settings_by_their_rule(node: Path) -> None:
    put(node, "/proc/sys/fs/file-max", "500\n")
    put(node, "/proc/sys/fs/nr_open", "500\n")
    put(node, "/proc/sys/net/ipv4/ip_local_reserved_ports", "80,30000-32767\n")
    put(node, "/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
    values = {
        "fs.file-max": {"value": "400", "rule": "at_least"},
        "fs.nr_open": {"value": "600", "rule": "at_least"},
        "net.ipv4.ip_local_reserved_ports": {"value": "30000-30100", "rule": "includes"},
        "net.ipv4.ip_local_port_range": {"value": "32768 60999", "rule": "exact"},
        "net.absent": {"value": "1", "rule": "exact"},
    }
    record(node, sysctl=values, sysctl_not_set={"net.absent": "this kernel does not have it"})
    assert problems() == [("fs.nr_open", "is 500, not at least 600")]
    found = records.phases(ME, "/bin")["settings"]
    assert found == {"not_set": {"net.absent": "this kernel does not have it"}, "overridden": []}


def test_file_that_undoes_a_setting_at_the_next_boot(node: Path) -> None:
    put(node, "/proc/sys/net/ipv4/ip_forward", "1\n")
    put(node, "/etc/sysctl.conf", "#net.ipv4.ip_forward=1\nnet.ipv4.ip_forward = 0\n")
    put(node, "/etc/sysctl.d/10-x.conf", "net.ipv4.ip_forward = 2\n")
    (node / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    own = "/etc/sysctl.d/90-kprov.conf"
    put(node, own, "net.ipv4.ip_forward = 1\n")
    record(node, sysctl={"net.ipv4.ip_forward": {"value": "1", "rule": "exact"}}, files={own: {}})
    assert problems() == []
    assert records.phases(ME, "/bin")["settings"]["overridden"] == [
        {"key": "net.ipv4.ip_forward", "file": "/etc/sysctl.conf", "value": "0", "wanted": "1"}
    ]


def test_swap_that_came_back(node: Path) -> None:
    put(node, "/proc/swaps", "Filename Type Size Used Priority\n")
    record(node, swap={"wanted": "off"})
    assert problems() == []
    put(node, "/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n")
    assert problems() == [("swap", "is on (/dev/zram0)")]


def test_records_of_single_modules_are_no_phases(node: Path) -> None:
    record(node)
    put(node, "/var/lib/kprov/phases/os.steps.json", json.dumps({"schema": 1, "machine_id": ME, "steps": {}}))
    assert set(records.phases(ME, "/bin")["phases"]) == {"os"}


def test_dirty(node: Path) -> None:
    record(node)
    put(node, "/var/lib/kprov/phases/os.dirty", "{}")
    put(node, "/var/lib/kprov/phases/kubelet.dirty", "{}")
    found = records.phases(ME, "/bin")["phases"]
    assert found["os"]["dirty"]
    assert found["os"]["fingerprint"] == {"a": 1}
    assert found["kubelet"] == {"fingerprint": None, "finished": None, "dirty": True, "drift": []}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 2, "files": {}}', '{"files": {}}'])
def test_record_that_is_not_understood_is_as_good_as_none(node: Path, text: str) -> None:
    put(node, "/var/lib/kprov/phases/os.json", text)
    assert "os" not in records.phases(ME, "/bin")["phases"]


def test_record_of_another_machine_is_ignored(node: Path) -> None:
    record(node, machine_id="the-original-of-this-clone")
    put(node, "/var/lib/kprov/phases/os.dirty", "{}")
    assert records.phases(ME, "/bin") == {"phases": {}, "cluster": None, "settings": NO_SETTINGS}


def test_lock(node: Path) -> None:
    put(node, "/var/lib/kprov/lock.json", '{"holder": "me@there"}')
    assert records.lock() == {"holder": "me@there"}
    put(node, "/var/lib/kprov/lock.json", "")
    with pytest.raises(ValueError, match="damaged"):
        records.lock()


def test_traces_of_a_cluster(node: Path) -> None:
    assert cluster.traces("/bin")["joined"] is False
    put(node, "/etc/kubernetes/kubelet.conf", "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\n")
    put(node, "/etc/kubernetes/manifests/etcd.yaml", "")
    put(node, "/etc/kubernetes/manifests/.hidden.yaml", "")
    put(node, "/etc/kubernetes/pki/ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    put(node, "/etc/systemd/system/kubelet.service", "")
    assert cluster.traces("/bin") == {
        "ca_sha256": hashlib.sha256(b"\0\0\0").hexdigest(),
        "server": "https://10.0.0.1:6443",
        "joined": True,
        "admin_conf": False,
        "static_pods": ["etcd"],
        "kubelet_version": None,
        "serving_certificate": False,
        "kubelet_unit": True,
    }
