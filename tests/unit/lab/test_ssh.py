"""Keys and known_hosts."""

import stat
from pathlib import Path

import paramiko

from kprov.lab import ssh
from kprov.lab.directory import LabDirectory


def test_client_key_is_private_made_once_and_readable_by_ssh_libraries(tmp_path: Path) -> None:
    directory = LabDirectory("demo", tmp_path)
    public = ssh.client_key(directory)

    assert ssh.client_key(directory) == public
    assert stat.S_IMODE(directory.private_key.stat().st_mode) == 0o600
    key = paramiko.Ed25519Key.from_private_key_file(str(directory.private_key))
    assert f"ssh-ed25519 {key.get_base64()}" in public


def test_known_hosts_keeps_one_key_per_node(tmp_path: Path) -> None:
    directory = LabDirectory("demo", tmp_path)
    ssh.remember_host(directory, "demo-cp1", "172.30.0.11", "ssh-ed25519 OLD")
    ssh.remember_host(directory, "demo-w1", "172.30.0.101", "ssh-ed25519 OTHER")
    ssh.remember_host(directory, "demo-cp1", "172.30.1.11", "ssh-ed25519 NEW")

    assert directory.known_hosts.read_text().splitlines() == [
        "172.30.0.101,demo-w1 ssh-ed25519 OTHER",
        "172.30.1.11,demo-cp1 ssh-ed25519 NEW",
    ]


def test_command_trusts_the_labs_known_hosts_only(tmp_path: Path) -> None:
    command = ssh.command(LabDirectory("demo", tmp_path), "172.30.0.11", "uptime")

    assert command[:3] == ["ssh", "-F", "none"]
    assert f"UserKnownHostsFile={tmp_path}/known_hosts" in command
    assert "StrictHostKeyChecking=yes" in command
    assert command[-2:] == ["kprov@172.30.0.11", "uptime"]
