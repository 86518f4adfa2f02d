"""The one thing that most parts need of SSH: `kprov.remote.ssh.Connections` does it, tests have their own."""

from __future__ import annotations

from typing import Protocol

from kprov.remote.dialogue import Completed
from kprov.spec.cluster import Host


class Shell(Protocol):
    """Runs a command as root on a host. Raises ConnectError when the host cannot be reached, or not in time."""

    def run(
        self, host: Host, command: str, stdin: str | bytes = b"", *, root: bool = True, timeout: float = 60.0
    ) -> Completed:
        """The command that ended; timeout: seconds for everything."""
        ...
