"""The one door to the hosts for reading: connections that stay open while a command of kprov runs.

with Connections(accept_new_host_keys=False) as connections:
    done = connections.run(host, "cat /etc/kubernetes/admin.conf")
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from kprov.remote.dialogue import Completed, Dialogue
from kprov.remote.remote_shell import as_root
from kprov.remote.ssh_error import SshError, translate
from kprov.remote.target import Target, resolve, resolve_hop
from kprov.spec.cluster import Host

if TYPE_CHECKING:
    from kprov.remote.strict_connection import StrictConnection

__all__ = ["Completed", "Connections", "SshError"]

PARALLEL = 50  # hosts at a time
CONNECT_TIMEOUT = 10.0  # seconds, for each of: TCP connection, SSH banner, login
KEEPALIVE = 30  # seconds; a run of Ansible may lie between two questions
RUN_TIMEOUT = 60.0  # seconds, connecting included


class Connections:
    """Open connections, one per host, and one per jump host for all hosts behind it. Safe to use from many threads."""

    def __init__(self, *, accept_new_host_keys: bool = False, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._accept_new = accept_new_host_keys
        self._connect_timeout = connect_timeout
        self._open: dict[str, StrictConnection] = {}
        self._broken_jumps: dict[str, SshError] = {}  # tried once, not once for each host behind it
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self, host: Host, command: str, stdin: str | bytes = b"", *, root: bool = True, timeout: float = RUN_TIMEOUT
    ) -> Completed:
        """Run a command of sh(1) on a host, as root (or as the user it logs in as), and wait for it.

        Any exit code is returned; SshError says why the command could not be run. timeout: seconds for everything.
        """
        deadline = time.monotonic() + timeout
        connection = host.connection
        become = root and connection.become
        data = stdin.encode() if isinstance(stdin, str) else stdin
        password = connection.become_password if become else None
        line = as_root(command, become=become, ask_password=password is not None)
        ssh = self._connect(host, timeout)
        try:
            channel = ssh.transport.open_session(
                timeout=max(0.1, min(self._connect_timeout, deadline - time.monotonic()))
            )
            with contextlib.closing(channel):
                return Dialogue(channel, line, data, password, deadline).run()
        except Exception as error:
            raise translate(error, resolve(connection), timeout) from error

    def run_all(
        self,
        hosts: Iterable[Host],
        command: str,
        stdin: str | bytes = b"",
        *,
        root: bool = True,
        timeout: float = RUN_TIMEOUT,
    ) -> Mapping[str, Completed | SshError]:
        """The same on many hosts at once: name to what came back."""

        def one(host: Host) -> Completed | SshError:
            try:
                return self.run(host, command, stdin, root=root, timeout=timeout)
            except SshError as error:
                return error

        wanted = list(hosts)
        with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="ssh") as pool:
            return dict(zip((host.name for host in wanted), pool.map(one, wanted), strict=True))

    def close(self) -> None:
        """Close all of them, those behind jump hosts first."""
        with self._guard:
            connections = list(self._open.values())
            self._open.clear()
        for connection in reversed(connections):
            with contextlib.suppress(Exception):
                connection.close()

    def _connect(self, host: Host, timeout: float) -> StrictConnection:
        key = f"host {host.name}"
        found = self._open.get(key)
        if found is not None and found.is_connected:
            return found
        try:
            target = resolve(host.connection)
        except Exception as error:
            raise SshError("unreachable", f"~/.ssh/config or ansible_ssh_args cannot be read: {error}") from error
        limit = min(self._connect_timeout, timeout)
        return self._opened(target, host.connection.password, limit, key)

    def _opened(self, target: Target, password: str | None, timeout: float, key: str) -> StrictConnection:
        """The open connection to a target; opens it, and the jump hosts before it, if there is none."""
        with self._lock(key):
            found = self._open.get(key)
            if found is not None and found.is_connected:
                return found
            connection = self._open_one(target, password, timeout, self._jump(target, timeout))
            with self._guard:
                self._open[key] = connection
            return connection

    def _jump(self, target: Target, timeout: float) -> StrictConnection | None:
        """The open connection to the last jump host before a target; None if there is no jump host."""
        if not target.proxy_jump:
            return None
        *before, last = target.proxy_jump
        hop = resolve_hop(last, target.config_file)
        if before:
            hop = replace(hop, proxy_jump=tuple(before), proxy_command=None)
        elif last in hop.proxy_jump:  # `Host *` with ProxyJump: a jump host is not behind itself
            hop = replace(hop, proxy_jump=())
        key = f"jump {','.join(target.proxy_jump)}"
        with self._lock(f"first {key}"):
            if key not in self._broken_jumps:
                try:
                    return self._opened(hop, None, timeout, key)
                except SshError as error:
                    self._broken_jumps[key] = error
        broken = self._broken_jumps[key]
        raise SshError(broken.kind, f"jump host {hop.name}: {broken.message}", broken.hint)

    def _open_one(
        self, target: Target, password: str | None, timeout: float, gateway: StrictConnection | None
    ) -> StrictConnection:
        from kprov.remote.strict_connection import StrictConnection

        connection = None
        try:
            connection = StrictConnection(
                target, accept_new=self._accept_new, connect_timeout=timeout, password=password, gateway=gateway
            )
            connection.open()
            connection.transport.set_keepalive(KEEPALIVE)
        except Exception as error:
            problem = translate(error, target, timeout)
            if connection is not None:
                remarks = connection.remarks(problem.kind)
                if remarks:
                    problem = SshError(problem.kind, f"{problem.message}; {remarks}", problem.hint)
                with contextlib.suppress(Exception):
                    connection.close()
            raise problem from error
        return connection

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())
