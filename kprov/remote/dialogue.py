"""One command on an open connection: sends standard input, answers sudo's question, collects the output."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from typing import Any

from kprov.remote.remote_shell import RemoteCommand
from kprov.remote.ssh_error import SshError

CHUNK = 65536
SEND_POLL = 0.01  # seconds between looks when the host does not take more input
EXIT_POLL = 0.002  # seconds between looks when all output is here and the exit code is not


@dataclass(frozen=True)
class Completed:
    """What a command on a host left. exit_code is -1 if a signal ended it.

    sent_at, answered_at: the controller's clock (seconds since the epoch) just before the input went out and just after
    the command's first output came: whatever the host did for that output lies in between.
    """

    stdout: str
    stderr: str
    exit_code: int
    sent_at: float = 0.0
    answered_at: float = 0.0


@dataclass
class Dialogue:
    """The state of one command. channel: a paramiko Channel, not used yet."""

    channel: Any
    command: RemoteCommand
    stdin: bytes
    password: str | None
    deadline: float  # time.monotonic()
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    prompts: int = 0
    sent: int = 0
    input_done: bool = False
    sent_at: float = 0.0
    answered_at: float = 0.0

    def run(self) -> Completed:
        """Raises SshError: kind "sudo" if the command never ran, "unreachable" if time ran out."""
        self.channel.exec_command(self.command.line)
        self.channel.setblocking(0)
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        while True:
            ended = self.channel.exit_status_ready() and self.channel.eof_received
            self._read()
            if ended or self.channel.closed:
                break
            if self.password is not None:
                self._answer_sudo()
            if not self.input_done and self._may_send():
                self._send()
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise SshError("unreachable", f"the command did not end in time; it said: {self._said()}")
            if self.channel.eof_received:  # its output has ended, it has not: poll() would return at once
                time.sleep(EXIT_POLL)
            poll.poll(1000 * (left if self.input_done or not self._may_send() else SEND_POLL))
        self._read()
        return self._completed()

    def _read(self) -> None:
        while self.channel.recv_ready():
            self.out += self.channel.recv(CHUNK)
        while self.channel.recv_stderr_ready():
            self.err += self.channel.recv_stderr(CHUNK)
        if not self.answered_at and not self.out.endswith(self.command.run_mark) and self.command.run_mark in self.out:
            self.answered_at = time.time()

    def _may_send(self) -> bool:
        """Input goes to the command and never to sudo: if sudo may ask, it waits until the command runs."""
        return self.password is None or self.command.run_mark in self.out

    def _answer_sudo(self) -> None:
        if self.err.count(self.command.prompt) > self.prompts:
            self.prompts += 1
            if self.prompts > 1:
                raise SshError("sudo", "sudo refused the password", "see ansible_become_password of this host")
            self.channel.sendall(f"{self.password}\n".encode())

    def _send(self) -> None:
        self.sent_at = self.sent_at or time.time()
        while self.sent < len(self.stdin) and self.channel.send_ready():
            self.sent += self.channel.send(self.stdin[self.sent : self.sent + CHUNK])
        if self.sent == len(self.stdin):
            self.channel.shutdown_write()
            self.input_done = True

    def _completed(self) -> Completed:
        _, mark, stdout = self.out.partition(self.command.run_mark)
        if not mark:
            raise self._never_ran()
        _, _, stderr = self.err.partition(self.command.run_mark)
        return Completed(
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            exit_code=self.channel.recv_exit_status(),
            sent_at=self.sent_at,
            answered_at=self.answered_at,
        )

    def _never_ran(self) -> SshError:
        if self.command.shell_mark not in self.out:
            return SshError("auth", f"the login shell does not run commands: {self._said()}")
        said = self._said()
        if "not installed" in said:
            return SshError("sudo", said, "install sudo, or log in as root (ansible_user=root)")
        if "a password is required" in said:
            return SshError("sudo", said, "set ansible_become_password, or allow sudo without one (NOPASSWD)")
        return SshError("sudo", said or "sudo did not run the command", "try `sudo -n true` on the machine")

    def _said(self) -> str:
        """The last lines of what came back, without our marks."""
        text = bytes(self.err + b"\n" + self.out)
        for mark in (self.command.shell_mark, self.command.run_mark, self.command.prompt):
            text = text.replace(mark, b"")
        lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or "nothing"
