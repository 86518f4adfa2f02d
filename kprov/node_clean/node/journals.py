"""Files of this machine's journal that nobody writes to any more."""

from __future__ import annotations

import os
from typing import Any

from kprov.remote.node import read

# On disk; /run/log/journal is memory. Namespaces of the journal (MACHINE-ID.NAME) and other machines' have owners.
PARENT = "/var/log/journal"
# system@....journal was rotated, ...journal~ was set aside because it was damaged. system.journal is in use.
MARK, ENDINGS = "@", (".journal", ".journal~")


def directory() -> str:
    """Where the journal of this machine is, if it is kept on disk."""
    return f"{PARENT}/{read.text_or('/etc/machine-id').strip()}"


def archived() -> list[dict[str, Any]]:
    """[{"path", "bytes" (on disk), "inode", "written" (seconds, epoch: the last line)}], oldest first."""
    found = []
    for name in read.names(directory()):
        if MARK in name and name.endswith(ENDINGS):
            path = f"{directory()}/{name}"
            status = os.lstat(read.real(path))
            size = status.st_blocks * 512
            found.append({"path": path, "bytes": size, "inode": status.st_ino, "written": status.st_mtime})
    return sorted(found, key=lambda file: (file["written"], file["path"]))
