"""On the controller: large files to a node, as a stream, so that nothing is written twice on the way.

Ansible's put_file uses sftp, which takes twice the time for large files, or holds the whole file in memory ("piped").
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import threading
from typing import BinaryIO, Callable

DEADLINE = 1800  # seconds that a stream may take
AFTERWARDS = 10.0  # seconds that it may take to end once its reader has ended
SSH_FAILED = 255  # ssh's own exit code


class TransferError(Exception):
    """The file did not arrive; the message is for the user."""


class NoStream(Exception):
    """The connection takes only files."""


def send_file(connection, path: str, remote: str) -> None:
    """Copy a file to a path that the connecting user may write."""
    command = _ssh(connection, f"cat > {shlex.quote(remote)}")
    if command is None:
        connection.put_file(path, remote)
        return
    with open(path, "rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    _check(done.returncode, done.stderr, remote)


class Stream:
    """What write(file) writes, on its way into a FIFO on the node, while something there reads it.

    `with Stream(...) as stream:` starts to send; finish() is to be called in the block, when the reader has ended.
    """

    def __init__(self, connection, write: Callable[[BinaryIO], None], fifo: str) -> None:
        """Raises NoStream for a connection that takes only files."""
        # Without a reader the shell cannot even open the FIFO: if nobody ever reads, it ends all the same.
        self._command = _ssh(connection, f"timeout {DEADLINE} sh -c 'cat > \"$1\"' sh {shlex.quote(fifo)}")
        if self._command is None:
            raise NoStream
        self._fifo = fifo
        self._write = write
        self._failure: BaseException | None = None

    def __enter__(self) -> Stream:
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._stderr
        )
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(AFTERWARDS)
        self._stderr.close()

    def _send(self) -> None:
        try:
            with self._process.stdin:
                self._write(self._process.stdin)
        except BrokenPipeError:
            pass  # the exit code tells
        except Exception as error:  # raised again by finish()
            self._failure = error

    def finish(self, taken: bool) -> None:
        """taken: the reader says that it got all. Raises what write() raised, or TransferError.

        Not taken is no fault of the transfer, unless the connection broke off.
        """
        try:
            code = self._process.wait(AFTERWARDS)
        except subprocess.TimeoutExpired:
            code = None
        if self._failure:
            raise self._failure
        if taken or code == SSH_FAILED:
            self._stderr.seek(0)
            _check(code, self._stderr.read(), self._fifo)


def send_written(connection, write: Callable[[BinaryIO], None], remote: str, directory: str) -> None:
    """Send what write(file) writes, by way of a file in `directory`, over a connection that takes only files."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        write(file)
        file.flush()
        connection.put_file(file.name, remote)


def _ssh(connection, script: str) -> list | None:
    """ssh of a shell's script with the connection's own options (the multiplexed connection is open already).

    None if that cannot be had: a password goes through a pipe that only Ansible's own put_file serves.
    """
    if connection.transport != "ssh" or connection.get_option("password"):
        return None
    build = getattr(connection, "_build_command", None)
    if build is None:
        return None
    command = build(connection.get_option("ssh_executable"), "ssh", connection.host, script)
    if b"-C" not in command:
        return command
    # Ansible's default. Compressing is four times slower than a LAN; a connection of its own does not do it.
    plain = [word for word in command if word != b"-C"]
    return [plain[0], b"-o", b"ControlPath=none", *plain[1:]]


def _check(code: int, stderr: bytes, remote: str) -> None:
    if code != 0:
        said = stderr.decode(errors="replace").strip() or "the connection broke off"
        raise TransferError(f"sending {remote} failed (exit code {code}): {said}")
