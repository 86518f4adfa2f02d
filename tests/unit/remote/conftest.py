from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kprov.remote.node import read
from kprov.spec.cluster import Host
from tests.sshd import SSHD, Server, private_sshd
from tests.unit.factories import make_host

# Takes the user for one who is not root and asks for the password "right" when it may.
FAKE_SUDO = """#!/bin/sh
if [ "$1" = -n ]; then
  [ -e "$(dirname "$0")/nopasswd" ] || { echo "sudo: a password is required" >&2; exit 1; }
  shift
else
  while :; do
    printf "%s" "$3" >&2
    IFS= read -r answer || exit 1
    [ "$answer" = right ] && break
    echo "Sorry, try again." >&2
  done
  shift 3
fi
[ "$1" = -- ] && shift
exec "$@"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's own ~/.ssh, and no agent."""
    directory = tmp_path / "home"
    (directory / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return directory


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if SSHD is None:
        pytest.skip("no sshd on this machine")
    with private_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def sshd_with_sudo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An sshd whose users seem not to be root, with our own sudo; it asks for no password if `bin/nopasswd` exists."""
    if SSHD is None:
        pytest.skip("no sshd on this machine")
    directory = tmp_path_factory.mktemp("sudo")
    programs = directory / "bin"
    programs.mkdir()
    script(programs / "sudo", FAKE_SUDO)
    script(programs / "id", "#!/bin/sh\necho 1000\n")
    with private_sshd(directory, path=programs) as server:
        yield server


def script(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


HostOf = Callable[..., Host]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that the node's program takes for its root."""
    root = tmp_path / "node"
    root.mkdir()
    monkeypatch.setattr(read, "ROOT", str(root))
    return root


def put(root: Path, path: str, text: str) -> Path:
    """A file on the node."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def ssh_host(server: Server, name: str = "n1", *groups: str, **connection: object) -> Host:
    """A host of the inventory that is reached through the private sshd."""
    from dataclasses import replace

    host = make_host(name, *groups)
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "private_key_file": str(server.key),
        "ssh_args": connection.pop("ssh_args", None) or server.ssh_args(),
        **connection,
    }
    return replace(host, connection=replace(host.connection, **values))  # type: ignore[arg-type]
