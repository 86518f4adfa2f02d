"""On the controller: large files to a node, as a stream, so that nothing is written twice on the way.

Ansible's put_file uses sftp, which takes twice the time for large files, or holds the whole file in memory ("piped").
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from typing import BinaryIO, Callable

CHUNK = 1024 * 1024


class TransferError(Exception):
    """The file did not arrive; the message is for the user."""


def send_file(connection, path: str, remote: str) -> None:
    """Copy a file to a path that the connecting user may write."""
    command = _ssh(connection, remote)
    if command is None:
        connection.put_file(path, remote)
        return
    with open(path, "rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    _check(done.returncode, done.stderr, remote)


def send_stream(connection, write: Callable[[BinaryIO], None], remote: str, directory: str) -> None:
    """Send what write(file) writes. directory: for connections that take only files."""
    command = _ssh(connection, remote)
    if command is None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory) as file:
            write(file)
            file.flush()
            connection.put_file(file.name, remote)
        return
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            write(process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the exit code tells
        except BaseException:
            process.kill()
            process.wait()
            raise
        code = process.wait()
        stderr.seek(0)
        _check(code, stderr.read(), remote)


def _ssh(connection, remote: str) -> list | None:
    """ssh with the connection's own options (the multiplexed connection is open already); None if that cannot be had.

    A password goes through a pipe that only Ansible's own put_file serves.
    """
    if connection.transport != "ssh" or connection.get_option("password"):
        return None
    build = getattr(connection, "_build_command", None)
    if build is None:
        return None
    command = build(connection.get_option("ssh_executable"), "ssh", connection.host, f"cat > {shlex.quote(remote)}")
    if b"-C" not in command:
        return command
    # Ansible's default. Compressing is four times slower than a LAN; a connection of its own does not do it.
    plain = [word for word in command if word != b"-C"]
    return [plain[0], b"-o", b"ControlPath=none", *plain[1:]]


def _check(code: int, stderr: bytes, remote: str) -> None:
    if code != 0:
        said = stderr.decode(errors="replace").strip() or "the connection broke off"
        raise TransferError(f"sending {remote} failed (exit code {code}): {said}")
