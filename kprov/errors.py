"""Every error class of kprov and every exit code, in one table.

Errors are raised where the facts are (host, command, output) and shown once, by `kprov.ui`. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning"]


class ExitCode(IntEnum):
    """What the shell sees. 2 to 4 are shared by every command that checks something."""

    OK = 0  # done, or nothing to do
    BUG = 1  # an exception nobody expected; the trace is in the log
    FOUND = 2  # plan has changes, a check found something
    CRITICAL = 3  # a check found something critical
    UNREADABLE = 4  # a check could not read what it was asked to check
    INPUT = 10  # inventory, variables or arguments are wrong; nothing was touched
    CONNECT = 11  # no host that is needed could be reached
    PREFLIGHT = 12  # the machines are not fit; nothing was touched
    PHASE = 13  # a phase failed on a host
    LOCKED = 14  # another operation runs on this cluster
    PARTIAL = 15  # done, except on hosts that could not be reached or failed on their own
    ARTIFACT = 16  # a file or image is missing or has the wrong digest
    LAB = 17  # the lab could not be made on this machine
    USAGE = 64  # unknown option or argument (sysexits.h EX_USAGE)
    INTERRUPTED = 130  # Ctrl-C


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the words of the user's own files.

    code: stable kebab-case id ("unknown-variable"); file: as the user gave it; line: 1-based.
    """

    severity: Severity
    code: str
    message: str
    host: str | None = None
    file: str | None = None
    line: int | None = None
    hint: str | None = None


class KprovError(Exception):
    """Root of all expected errors. `problems` holds every single finding, `hint` the next step."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)


class InputError(KprovError):
    """Inventory, variables or arguments are wrong."""

    exit_code = ExitCode.INPUT


class ConnectError(KprovError):
    """Hosts that are needed cannot be reached or refuse us."""

    exit_code = ExitCode.CONNECT


class PreflightError(KprovError):
    """Machines are not fit for what the inventory asks."""

    exit_code = ExitCode.PREFLIGHT


class PhaseError(KprovError):
    """A phase failed. Shown as the block: phase, host, task, what it said, log, hint, how to resume."""

    exit_code = ExitCode.PHASE

    def __init__(self, *, phase: str, host: str, task: str, said: str, log: str, hint: str | None = None) -> None:
        super().__init__(f"{phase} failed on {host}", hint=hint)
        self.phase = phase
        self.host = host
        self.task = task
        self.said = said
        self.log = log


class AnsibleError(KprovError):
    """ansible-playbook ended without saying on which host or task; its last lines are the message."""

    exit_code = ExitCode.PHASE

    def __init__(self, exit_code: int, log: Path) -> None:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        super().__init__(f"ansible-playbook ended with exit code {exit_code}:\n{last}", hint=f"the whole log: {log}")


class LockedError(KprovError):
    """Another operation holds the cluster's lock."""

    exit_code = ExitCode.LOCKED


class ArtifactError(KprovError):
    """A file or image is missing, cut or has the wrong digest."""

    exit_code = ExitCode.ARTIFACT


class LabError(KprovError):
    """The lab cannot be made or used on this machine."""

    exit_code = ExitCode.LAB


class CheckError(KprovError):
    """A check could not read what it was asked to check."""

    exit_code = ExitCode.UNREADABLE


class Interrupted(KprovError):
    """Ctrl-C."""

    exit_code = ExitCode.INTERRUPTED
