"""Connections against a real sshd: host keys, ways through, sudo, output."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.remote.ssh import Completed, Connections, SshError
from kprov.remote.ssh_error import Kind
from tests.sshd import Server, free_port
from tests.unit.remote.conftest import ssh_host


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections(connect_timeout=5) as open_connections:
        yield open_connections


def fails(connections: Connections, host: object, kind: Kind) -> SshError:
    with pytest.raises(SshError) as caught:
        connections.run(host, "true")  # type: ignore[arg-type]
    assert caught.value.kind == kind, caught.value.message
    return caught.value


def test_output_and_exit_code_come_back(sshd: Server, connections: Connections) -> None:
    done = connections.run(ssh_host(sshd), "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 3)


def test_standard_input_arrives_whole(sshd: Server, connections: Connections) -> None:
    data = "0123456789abcdef" * 200_000
    assert connections.run(ssh_host(sshd), "cat", data).stdout == data


def test_command_that_does_not_read_its_input_ends(sshd: Server, connections: Connections) -> None:
    assert connections.run(ssh_host(sshd), "echo done", b"x" * 8_000_000).stdout == "done\n"


def test_command_may_hold_quotes(sshd: Server, connections: Connections) -> None:
    command = """printf '%s|' "a b" 'c"d' "$0" \\$x"""
    assert connections.run(ssh_host(sshd), command).stdout == 'a b|c"d|sh|$x|'


def test_connection_is_used_again(sshd: Server, connections: Connections) -> None:
    host = ssh_host(sshd)
    ask = "echo $SSH_CLIENT"
    assert connections.run(host, ask).stdout == connections.run(host, ask).stdout


def test_noise_of_a_login_shell_is_cut_off(sshd: Server, connections: Connections, tmp_path: Path) -> None:
    """sshd sources nothing for `sh -c` here, so the noise comes from a forced command that wraps the real one."""
    shell = tmp_path / "noisy"
    shell.write_text(
        '#!/bin/sh\necho "Welcome to the machine"; echo noise >&2\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    shell.chmod(0o755)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with (sshd.directory / "authorized_keys").open("a") as authorized:
        authorized.write(f'command="{shell}" {key.with_suffix(".pub").read_text()}')
    done = connections.run(ssh_host(sshd, private_key_file=str(key)), "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_account_without_a_shell(sshd: Server, connections: Connections, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with (sshd.directory / "authorized_keys").open("a") as authorized:
        authorized.write(f'command="echo This account is not available; exit 1" {key.with_suffix(".pub").read_text()}')
    assert "not available" in fails(connections, ssh_host(sshd, private_key_file=str(key)), "auth").message


def test_many_hosts_at_once(sshd: Server, connections: Connections) -> None:
    hosts = [ssh_host(sshd, f"n{n}") for n in range(5)]
    results = connections.run_all([*hosts, ssh_host(sshd, "dead", port=free_port())], "echo ok")
    assert [r.stdout for r in results.values() if isinstance(r, Completed)] == ["ok\n"] * 5
    assert isinstance(results["dead"], SshError)


def test_a_command_has_a_deadline(sshd: Server, connections: Connections) -> None:
    started = time.monotonic()
    with pytest.raises(SshError, match="did not end in time"):
        connections.run(ssh_host(sshd), "sleep 60", timeout=1)
    assert time.monotonic() - started < 5


def test_unknown_host_key_is_refused_with_its_fingerprint(sshd: Server, connections: Connections, home: Path) -> None:
    error = fails(connections, ssh_host(sshd, ssh_args=("-F", "/dev/null")), "host-key")
    listed = ["ssh-keygen", "-lf", str(sshd.directory / "host_key.pub")]
    shown = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()[1]
    assert shown in error.message
    assert f"ssh-keyscan -t ed25519 -p {sshd.port} 127.0.0.1 >> {home}/.ssh/known_hosts" in (error.hint or "")
    assert not (home / ".ssh" / "known_hosts").exists()


@pytest.mark.parametrize("value", ["no", "off"])
def test_nothing_is_trusted_because_checking_is_switched_off(
    sshd: Server, connections: Connections, value: str
) -> None:
    args = ("-F", "/dev/null", "-o", f"StrictHostKeyChecking={value}")
    error = fails(connections, ssh_host(sshd, ssh_args=args), "host-key")
    assert "StrictHostKeyChecking=no" in error.message


def test_new_key_is_added_when_asked_for_and_known_from_then_on(sshd: Server, home: Path) -> None:
    host = ssh_host(sshd, ssh_args=("-F", "/dev/null"))
    with Connections(accept_new_host_keys=True) as new:
        assert new.run(host, "echo ok").stdout == "ok\n"
    assert (home / ".ssh" / "known_hosts").read_text() == f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n"
    with Connections() as strict:
        assert strict.run(host, "echo ok").stdout == "ok\n"


def test_changed_key_is_refused_even_when_new_ones_are_accepted(sshd: Server, home: Path) -> None:
    other = (sshd.key.with_suffix(".pub")).read_text()
    known = home / ".ssh" / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    with Connections(accept_new_host_keys=True) as connections:
        error = fails(connections, ssh_host(sshd, ssh_args=("-F", "/dev/null")), "host-key")
    assert f"{known}:1" in error.message
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {known}" in (error.hint or "")
    assert known.read_text() == f"[127.0.0.1]:{sshd.port} {other}"


def test_jump_host(sshd: Server, connections: Connections, home: Path) -> None:
    """The jump host is known by ~/.ssh/known_hosts and logged in to with ~/.ssh/id_ed25519, as ssh -J does."""
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    (home / ".ssh" / "id_ed25519").write_text(sshd.key.read_text())
    jump = ("-J", f"{sshd.user}@127.0.0.1:{sshd.port}", *sshd.ssh_args("127.0.0.2"))
    hosts = [ssh_host(sshd, name, host="127.0.0.2", ssh_args=jump) for name in ("a", "b")]
    for result in connections.run_all(hosts, "echo $SSH_CONNECTION").values():
        assert isinstance(result, Completed), result
        assert result.stdout.split()[2] == "127.0.0.2"


def test_jump_hosts_key_must_be_known_too(sshd: Server, connections: Connections) -> None:
    jump = ("-J", f"{sshd.user}@127.0.0.1:{sshd.port}", *sshd.ssh_args("127.0.0.2"))
    results = connections.run_all(
        [ssh_host(sshd, name, host="127.0.0.2", ssh_args=jump) for name in ("a", "b")], "true"
    ).values()
    for result in results:
        assert isinstance(result, SshError)
        assert result.kind == "host-key"
        assert result.message.startswith("jump host 127.0.0.1: ")


def test_proxy_command(sshd: Server, connections: Connections) -> None:
    known = sshd.known_hosts()
    ssh = f"ssh -i {sshd.key} -o UserKnownHostsFile={known} -W %h:%p -p {sshd.port} {sshd.user}@127.0.0.1"
    args = ("-o", f"ProxyCommand={ssh}", "-o", f"UserKnownHostsFile={sshd.known_hosts('127.0.0.3')}")
    done = connections.run(ssh_host(sshd, host="127.0.0.3", ssh_args=args), "echo $SSH_CONNECTION")
    assert done.stdout.split()[2] == "127.0.0.3"


def test_proxy_command_that_fails_says_why(sshd: Server, connections: Connections) -> None:
    args = (*sshd.ssh_args(), "-o", "ProxyCommand=echo no way >&2; exit 1")
    started = time.monotonic()
    error = fails(connections, ssh_host(sshd, ssh_args=args), "unreachable")
    assert "no way" in error.message
    assert time.monotonic() - started < 4


def test_wrong_user_or_key(sshd: Server, connections: Connections, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    error = fails(connections, ssh_host(sshd, private_key_file=str(key)), "auth")
    assert f"-i {key} -p {sshd.port}" in (error.hint or "")


def test_missing_key_file(sshd: Server, connections: Connections) -> None:
    error = fails(connections, ssh_host(sshd, private_key_file="/no/such/key"), "auth")
    assert "/no/such/key does not exist" in error.message


def test_key_with_a_passphrase(sshd: Server, connections: Connections, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    error = fails(connections, ssh_host(sshd, private_key_file=str(key)), "auth")
    assert f"{key} needs a passphrase" in error.message


@pytest.mark.parametrize("kind", [["rsa", "-b", "2048"], ["ecdsa"]])
def test_other_kinds_of_keys(sshd: Server, connections: Connections, tmp_path: Path, kind: list[str]) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "", "-f", str(key)], check=True)
    with (sshd.directory / "authorized_keys").open("a") as authorized:
        authorized.write(key.with_suffix(".pub").read_text())
    assert connections.run(ssh_host(sshd, private_key_file=str(key)), "echo ok").stdout == "ok\n"


def test_no_server(sshd: Server, connections: Connections) -> None:
    error = fails(connections, ssh_host(sshd, port=free_port()), "unreachable")
    assert "connection refused" in error.message


def test_unknown_name(sshd: Server, connections: Connections) -> None:
    error = fails(connections, ssh_host(sshd, host="no-such-host.invalid"), "unreachable")
    assert "no address" in error.message


def test_server_that_never_answers(sshd: Server) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, Connections(connect_timeout=1) as connections:
        started = time.monotonic()
        error = fails(connections, ssh_host(sshd, port=silent.getsockname()[1]), "unreachable")
        assert "no answer" in error.message
        assert time.monotonic() - started < 5


def test_paramiko_is_silent(sshd: Server, connections: Connections, capfd: pytest.CaptureFixture[str]) -> None:
    fails(connections, ssh_host(sshd, port=free_port()), "unreachable")
    fails(connections, ssh_host(sshd, ssh_args=("-F", "/dev/null")), "host-key")
    logging.getLogger("paramiko.transport").error("noise")
    assert capfd.readouterr() == ("", "")


def test_sudo_without_password(sshd_with_sudo: Server, connections: Connections) -> None:
    marker = sshd_with_sudo.directory / "bin" / "nopasswd"
    marker.touch()
    try:
        assert connections.run(ssh_host(sshd_with_sudo), "cat", "in").stdout == "in"
    finally:
        marker.unlink()


def test_sudo_that_wants_a_password_we_do_not_have(sshd_with_sudo: Server, connections: Connections) -> None:
    error = fails(connections, ssh_host(sshd_with_sudo), "sudo")
    assert "a password is required" in error.message
    assert "ansible_become_password" in (error.hint or "")


def test_sudo_with_password_gives_it_to_sudo_only(sshd_with_sudo: Server, connections: Connections) -> None:
    host = ssh_host(sshd_with_sudo, become_password="right")
    assert connections.run(host, "cat", "the input\n").stdout == "the input\n"
    listed = connections.run(host, "ps -ef; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'").stdout
    assert "right\n" not in listed


def test_sudo_with_wrong_password_is_asked_once(sshd_with_sudo: Server, connections: Connections) -> None:
    error = fails(connections, ssh_host(sshd_with_sudo, become_password="wrong"), "sudo")
    assert "refused the password" in error.message
    assert "wrong" not in error.message


def test_no_sudo_needed_without_root(sshd_with_sudo: Server, connections: Connections) -> None:
    assert connections.run(ssh_host(sshd_with_sudo), "echo me", root=False).stdout == "me\n"
