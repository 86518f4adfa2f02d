"""What goes wrong on real machines: a clear report, the right exit code, nothing half done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kprov.errors import ExitCode
from kprov.lab import lab as labs
from kprov.lab.directory import lab_directory
from tests.e2e.cluster import Completed, LabCluster, another_inventory, kprov
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    """Three fresh nodes; the tests run in order, the last ones make the cluster."""
    return make_lab("fail")


def assert_nothing_was_touched(lab: LabCluster) -> None:
    for node in ("cp1", "w1", "w2"):
        assert lab.ssh(node, "ls -d /var/lib/kprov /etc/containerd 2>/dev/null || true") == ""


def codes(done: Completed) -> set[tuple[str, str | None]]:
    return {(p["code"], p["host"]) for p in done.envelope["problems"] if p["severity"] == "error"}


def test_wrong_key_is_refused_by_name_on_every_host(lab: LabCluster, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    done = kprov("up", str(another_inventory(lab, tmp_path, ansible_ssh_private_key_file=str(key))), "--yes")
    assert done.exit_code == ExitCode.CONNECT
    assert "auth" in {p["code"] for p in done.envelope["problems"]}
    assert {p["host"] for p in done.envelope["problems"]} == {lab.node(n) for n in ("cp1", "w1", "w2")}
    assert_nothing_was_touched(lab)


def test_wrong_sudo_password_is_named_and_never_shown(lab: LabCluster, tmp_path: Path) -> None:
    changed = {"ansible_user": "sudoer", "ansible_become_password": "not-the-password"}
    done = kprov("up", str(another_inventory(lab, tmp_path, **changed)), "--yes")
    assert done.exit_code == ExitCode.CONNECT
    assert {p["code"] for p in done.envelope["problems"]} == {"sudo"}
    assert "not-the-password" not in str(done)
    assert_nothing_was_touched(lab)


def test_right_sudo_password_works(lab: LabCluster, tmp_path: Path) -> None:
    password = (lab_directory(lab.name).path / "sudo_password").read_text().strip()
    changed = {"ansible_user": "sudoer", "ansible_become_password": password}
    done = kprov("plan", str(another_inventory(lab, tmp_path, **changed)))
    assert done.exit_code == ExitCode.FOUND
    assert password not in str(done)


def test_unknown_host_key_is_refused(lab: LabCluster, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").touch()
    arguments = f"-o UserKnownHostsFile={tmp_path}/known_hosts -o StrictHostKeyChecking=yes"
    inventory = another_inventory(lab, tmp_path, ansible_ssh_common_args=arguments)
    assert {p["code"] for p in kprov("plan", str(inventory)).envelope["problems"]} == {"host-key"}
    assert kprov("plan", str(inventory), "--accept-new-host-keys").exit_code == ExitCode.FOUND
    assert (tmp_path / "known_hosts").read_text()


def test_taken_port_is_named_with_its_process(lab: LabCluster) -> None:
    lab.ssh("cp1", "systemd-run --unit squatter python3 -m http.server 6443")
    try:
        lab.ssh("cp1", "until ss -ltn | grep -q :6443; do :; done")
        done = lab.kprov("up", "--yes")
        assert done.exit_code == ExitCode.PREFLIGHT
        assert ("ports", lab.node("cp1")) in codes(done)
        assert "6443" in str(done.envelope["problems"])
        assert "python3" in str(done.envelope["problems"])
        assert_nothing_was_touched(lab)
    finally:
        lab.ssh("cp1", "systemctl stop squatter")


def test_small_disk_is_refused_before_anything_is_installed(lab: LabCluster) -> None:
    lab.ssh("w1", "mkdir -p /var/lib/etcd && mount -t tmpfs -o size=64m tmpfs /var/lib/containerd")
    try:
        done = lab.kprov("up", "--yes")
        assert done.exit_code == ExitCode.PREFLIGHT
        assert ("disk-free", lab.node("w1")) in codes(done)
        assert_nothing_was_touched(lab)
    finally:
        lab.ssh("w1", "umount /var/lib/containerd")


def test_damaged_image_of_a_bundle_is_refused_and_a_whole_one_repairs_it(lab: LabCluster, tmp_path: Path) -> None:
    variables = yaml.safe_load((lab.inventory.parent / "group_vars" / "all.yml").read_text())
    bundle = tmp_path / "bundle"
    subprocess.run(
        ["cp", "-al", variables["artifacts_bundle"], bundle], check=True
    )  # hard links: a copy without its size
    blob = max((bundle / "images" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.unlink()
    blob.write_bytes(content)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(yaml.safe_dump({**variables, "artifacts_bundle": str(bundle)}))
    (tmp_path / "inventory.ini").write_text(lab.inventory.read_text())
    phases = [word for name in ("os", "container_runtime", "kubernetes") for word in ("--only", name)]
    done = kprov("up", str(tmp_path / "inventory.ini"), "--yes", *phases)
    assert done.exit_code == ExitCode.PHASE, done.stderr
    assert blob.name in done.stderr, done.stderr
    repaired = lab.kprov("up", "--yes", *phases)
    assert repaired.exit_code == ExitCode.OK, repaired.stderr


def test_disk_that_fills_up_on_the_way_stops_one_worker_and_is_resumed(lab: LabCluster) -> None:
    lab.ssh("w1", "mkdir -p /opt/cni && mount -t tmpfs -o size=4m tmpfs /opt/cni")
    done = lab.kprov("up", "--yes", "--no-verify")
    assert done.exit_code == ExitCode.PARTIAL, done.stderr
    assert "No space left" in done.data["left_out"][lab.node("w1")]
    assert lab.node("w2") in lab.kubectl("get", "nodes", "-o", "name")
    assert lab.ssh("w1", "ls /opt/cni/bin 2>/dev/null || true") == ""
    lab.ssh("w1", "umount /opt/cni")
    again = lab.kprov("up", "--yes")
    assert again.exit_code == ExitCode.OK, again.stderr
    assert lab.node("w1") in lab.kubectl("get", "nodes", "-o", "name")


def test_worker_that_dies_during_up_is_left_out_and_named(lab: LabCluster) -> None:
    grown = kprov("lab", "up", "--name", lab.name, "--control-planes", "1", "--workers", "4", timeout=900)
    assert grown.exit_code == 0, grown.stderr
    with RunningUp(lab, "--no-verify") as run:
        run.wait_for("kubernetes")
        labs.power(lab.node("w4"), "kill")
        done = run.finish()
    assert done.exit_code == ExitCode.PARTIAL, done.stderr
    assert set(done.data["left_out"]) == {lab.node("w4")}
    nodes = lab.kubectl("get", "nodes", "-o", "name")
    assert lab.node("w3") in nodes
    assert lab.node("w4") not in nodes
    dead = lab.kprov("up", "--yes")
    assert dead.exit_code == ExitCode.PARTIAL
    assert dead.data["changed"] == 0
    labs.power(lab.node("w4"), "on")
    assert lab.kprov("up", "--yes").exit_code == ExitCode.OK
    assert lab.node("w4") in lab.kubectl("get", "nodes", "-o", "name")


def test_second_operator_is_told_who_holds_the_lock(lab: LabCluster) -> None:
    with RunningUp(lab, "--verify-all", "--no-verify") as run:
        run.wait_for("os")
        second = lab.kprov("up", "--yes", "--verify-all")
        assert second.exit_code == ExitCode.LOCKED
        assert f"pid {run.pid}" in second.data["error"]
        assert run.finish().exit_code == ExitCode.OK


def test_operator_on_another_machine_is_told_too_and_can_break_a_dead_lock(
    lab: LabCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningUp(lab, "--verify-all", "--no-verify") as run:
        run.wait_for("os")
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("XDG_STATE_HOME", str(tmp_path))  # another controller: own id, own local locks
            second = lab.kprov("up", "--yes", "--verify-all")
            assert second.exit_code == ExitCode.LOCKED, second.stderr
            assert "--break-lock" in second.data["hint"]
        run.kill()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(tmp_path))
        assert lab.kprov("up", "--yes", "--verify-all", "--no-verify").exit_code == ExitCode.LOCKED
        assert lab.kprov("up", "--yes", "--verify-all", "--no-verify", "--break-lock").exit_code == ExitCode.OK


def test_ctrl_c_stops_cleanly_and_the_next_up_goes_on(lab: LabCluster) -> None:
    with RunningUp(lab, "--verify-all", "--no-verify") as run:
        run.wait_for("kubernetes")
        run.interrupt()
        assert run.finish().exit_code == ExitCode.INTERRUPTED
    assert lab.kprov("up", "--yes").exit_code == ExitCode.OK
    assert lab.kprov("plan").exit_code == ExitCode.OK


def test_kprov_runs_from_anywhere(lab: LabCluster, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "kprov", "plan", str(lab.inventory)]
    assert subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True).returncode == ExitCode.OK
