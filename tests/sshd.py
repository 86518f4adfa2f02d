"""A private sshd on the loopback address, with its own keys and configuration: for tests and for the benchmark.

with private_sshd(directory) as server:
    Connection(host="127.0.0.1", port=server.port, user=server.user, private_key_file=server.key, ...)
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = next((p for p in ("/usr/sbin/sshd", shutil.which("sshd") or "") if p and Path(p).exists()), None)
START_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Server:
    """A running sshd. key: private key that may log in; host_key: public half of the server's key, "type base64"."""

    directory: Path
    port: int
    user: str
    key: Path
    host_key: str

    def known_hosts(self, *names: str) -> Path:
        """A new known_hosts file that knows the server under the names (default 127.0.0.1), at its port."""
        file = self.directory / f"known_hosts.{time.monotonic_ns()}"
        lines = [f"[{name}]:{self.port} {self.host_key}\n" for name in names or ("127.0.0.1",)]
        file.write_text("".join(lines))
        return file

    def ssh_args(self, *names: str) -> tuple[str, ...]:
        """Arguments for a connection that knows the server."""
        return ("-o", f"UserKnownHostsFile={self.known_hosts(*names)}", "-o", "GlobalKnownHostsFile=none")


@contextmanager
def private_sshd(directory: Path, *, settings: Sequence[str] = (), path: Path | None = None) -> Iterator[Server]:
    """Run sshd as this user. settings: further lines of sshd_config; path: directory put before the rest of PATH."""
    assert SSHD is not None
    directory.mkdir(parents=True, exist_ok=True)
    key = _make_key(directory / "client_key")
    host_key = _make_key(directory / "host_key")
    (directory / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    port = free_port()
    config = directory / "sshd_config"
    search = f"{path}:" if path else ""
    lines = [
        f"ListenAddress 0.0.0.0:{port}",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {directory}/authorized_keys",
        f"PidFile {directory}/sshd.pid",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 200",
        f'SetEnv "PATH={search}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
        *settings,
    ]
    config.write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's separation of privileges wants it
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log)
    try:
        _wait(port, process, directory / "log")
        yield Server(directory, port, getpass.getuser(), key, " ".join(_public(host_key)))
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_key(file: Path) -> Path:
    file.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


def _public(key: Path) -> list[str]:
    return key.with_suffix(".pub").read_text().split()[:2]


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"sshd ended: {log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"sshd does not listen: {log.read_text()}")
