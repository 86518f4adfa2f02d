"""Runs kubeadm with a deadline; its output goes to a log on the node, without secrets."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from typing import Iterator

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import real

LOGS = "/var/log/kprov"
MOST = 1024 * 1024  # bytes of a log, then it is set aside for a new one: with the one before that twice as many
TAIL = 15
TOKEN = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b")
JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")  # of a service account or OpenID Connect


class StepError(Exception):
    """A step failed; the message is for the user."""


class Runner:
    """Runs commands for one phase. secrets: strings that never get into the log or a message."""

    def __init__(self, phase: str, bin_dir: str, secrets: list[str], lock: int | None = None) -> None:
        self.log = f"{LOGS}/{phase}.log"
        self._bin_dir = bin_dir
        self._secrets = [secret for secret in secrets if secret]
        self._lock = lock

    def kubeadm(self, arguments: list[str], deadline: float, environment: dict[str, str] | None = None) -> str:
        """Output of kubeadm; StepError with the last lines if it fails."""
        return self.run([os.path.join(self._bin_dir, "kubeadm"), *arguments], deadline, environment)

    def run(self, command: list[str], deadline: float, environment: dict[str, str] | None = None) -> str:
        """Output of a command, as it came; StepError, without secrets, if it fails or does not end in time.

        deadline: seconds; environment: variables that it gets beside the module's own.
        """
        kprov_fs.make_directories(real(LOGS), 0o700)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(real(self.log)).st_size > MOST:
                os.replace(real(self.log), real(self.log) + ".1")
        descriptor = os.open(real(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} $ {self.scrub(' '.join(command))}\n")
            log.flush()
            return self._run(command, deadline, log, environment or {})

    def scrub(self, text: str) -> str:
        """The text without secrets and without anything that looks like a token."""
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        return JWT.sub("(token)", TOKEN.sub("(token)", text))

    def _run(self, command: list[str], deadline: float, log, environment: dict[str, str]) -> str:
        path = os.pathsep.join([self._bin_dir, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"])
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path + os.pathsep + "/sbin:/bin", "LC_ALL": "C", **environment},
            start_new_session=True,
            pass_fds=[] if self._lock is None else [self._lock],
        )
        late = threading.Event()
        timer = threading.Timer(deadline, _end, (process, late))
        timer.start()
        lines: list[str] = []
        try:
            for raw in process.stdout:
                lines.append(raw.decode(errors="replace"))
                log.write(self.scrub(lines[-1]))
                log.flush()
            code = process.wait()
        finally:
            timer.cancel()
        tail = self.scrub("".join(collections.deque(lines, TAIL)).strip())
        if late.is_set():
            raise StepError(f"did not end within {deadline:g} s; it said last:\n{tail}")
        if code < 0:
            raise StepError(f"ended by signal {-code}:\n{tail}")
        if code != 0:
            raise StepError(f"exit code {code}:\n{tail}")
        return "".join(lines)


@contextlib.contextmanager
def private_directory() -> Iterator[str]:
    """A directory that only root can look into, on /run (memory), gone afterwards."""
    directory = tempfile.mkdtemp(prefix="kprov-", dir=real("/run"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def private_file(name: str, content: str) -> Iterator[str]:
    """A file that only root can read, on /run (memory), gone afterwards."""
    with private_directory() as directory:
        path = os.path.join(directory, name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        yield path


def _end(process: subprocess.Popen, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
