"""The lab's directory on the controller: keys, inventory, and what the lab was made for.

Which nodes there are and what they do is the engine's knowledge (labels), never written down here a second time.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.errors import InputError, LabError

# A node's hostname is "<lab>-cp1": at most 63 characters, and short enough for a table.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")


def state_home() -> Path:
    """`$XDG_STATE_HOME/kprov`, by default ~/.local/state/kprov."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "kprov"


@dataclass(frozen=True)
class LabDirectory:
    """Paths of one lab. Private (0700): it holds the key to the nodes."""

    name: str
    path: Path

    @property
    def inventory(self) -> Path:
        return self.path / "inventory.ini"

    @property
    def group_vars(self) -> Path:
        return self.path / "group_vars" / "all.yml"

    @property
    def known_hosts(self) -> Path:
        return self.path / "known_hosts"

    @property
    def private_key(self) -> Path:
        return self.path / "id_ed25519"

    @property
    def sudo_password(self) -> Path:
        """Of the user `sudoer`, for tests of sudo that asks."""
        return self.path / "sudo_password"

    @property
    def lab_json(self) -> Path:
        return self.path / "lab.json"

    def read(self) -> dict[str, Any] | None:
        """lab.json; None when this lab was never made, or made for another user."""
        try:
            content = json.loads(self.lab_json.read_text())
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as broken:
            raise LabError(
                f"{self.lab_json} is not JSON: {broken}", hint=f"`kprov lab down --name {self.name}` and make it again"
            ) from broken
        return dict(content)

    def write(self, content: dict[str, Any]) -> None:
        write_file(self.lab_json, json.dumps(content, indent=2) + "\n")


def lab_directory(name: str) -> LabDirectory:
    """Paths of the lab `name`, which need not exist. Raises InputError when no node could be called by that name."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a lab", hint="use up to 30 of a-z, 0-9 and -, and start with a letter"
        )
    return LabDirectory(name, state_home() / "labs" / name)


def made_labs() -> list[str]:
    """Names of the labs that have a directory, sorted."""
    return sorted(path.parent.name for path in (state_home() / "labs").glob("*/lab.json"))


def write_file(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file in one step: a killed run leaves the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


@contextmanager
def locked(what: str) -> Iterator[None]:
    """One process at a time makes or removes `what`. The kernel drops the lock however the process ends."""
    path = state_home() / "locks" / what
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
