"""One call of the Docker command line.

The engine's own client is used, not a Python SDK: it is there wherever an engine is, it speaks the engine's version of
the API, and what kprov did can be repeated in a shell word by word.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from kprov.errors import LabError

CALL_SECONDS = 120.0  # no call but a build takes longer than a few seconds


@dataclass(frozen=True)
class Docker:
    """A Docker Engine that has answered. binary: path of the client; version: of the engine, as it says it."""

    binary: str
    version: str

    def run(self, *arguments: str, stdin: bytes | None = None, seconds: float = CALL_SECONDS) -> str:
        """Run `docker ARGUMENTS`.

        stdin: bytes for the command, nothing by default; seconds: deadline. Returns stdout without the last newline.
        Raises LabError with the command and its stderr.
        """
        said = f"`{shlex.join(['docker', *arguments])}`"
        command = [self.binary, *arguments]
        try:
            # `input` is always given: the client must never wait for this terminal.
            done = subprocess.run(command, input=stdin or b"", capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{said} did not end within {seconds:.0f} s") from late
        if done.returncode != 0:
            raise LabError(f"{said} failed with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace").rstrip("\n")

    def lines(self, *arguments: str) -> list[str]:
        """Like `run`; the non-empty lines of stdout."""
        return [line for line in self.run(*arguments).splitlines() if line]
