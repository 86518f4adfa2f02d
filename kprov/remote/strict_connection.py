"""fabric's Connection with strict host keys, our own way through jump hosts, and nothing read from fabric's own files.

Importing this module imports fabric (0.1 s): do it inside functions.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fabric
from paramiko import PKey, Transport
from paramiko.config import SSHConfig
from paramiko.ssh_exception import AuthenticationException, PasswordRequiredException, SSHException
from paramiko.util import get_logger

from kprov.remote.host_key import HostKeyPolicy
from kprov.remote.target import Target

# Host keys, errors and reasons come back as exceptions; what paramiko logs besides (with traces) is noise on stderr.
get_logger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@cache
def quiet_config() -> fabric.Config:
    """fabric's defaults and no file: kprov has resolved everything before."""
    return fabric.Config(lazy=True, ssh_config=SSHConfig())


class StrictConnection(fabric.Connection):  # type: ignore[misc]
    """A connection to one target, through `gateway` if it is given. open() raises what paramiko raises, or SshError."""

    # fabric writes an attribute that the class does not know into its configuration, which all connections share.
    _key_problems: Sequence[str] = ()
    _proxy: subprocess.Popen[bytes] | None = None
    _proxy_log: Any = None

    def __init__(
        self,
        target: Target,
        *,
        accept_new: bool,
        connect_timeout: float,
        password: str | None = None,
        gateway: StrictConnection | None = None,
    ) -> None:
        policy = HostKeyPolicy(target, accept_new)
        keys, problems = _keys(target)
        super().__init__(
            host=target.address,
            user=target.user,
            port=target.port,
            config=quiet_config(),
            gateway=gateway if gateway is not None else (target.proxy_command or False),
            connect_kwargs={
                "pkey": keys.pop(0)[1] if keys else None,
                "key_filename": [file for file, _ in keys],
                "password": password,
                "passphrase": "",  # a password is for the host, it does not open keys
                "allow_agent": target.use_agent,
                "look_for_keys": not target.identity_files,
                "timeout": connect_timeout,
                "banner_timeout": connect_timeout,
                "auth_timeout": connect_timeout,
                "channel_timeout": connect_timeout,
                "transport_factory": _transport_factory(policy),
            },
        )
        self.client.set_missing_host_key_policy(policy)
        self._key_problems = problems

    def derive_shorthand(self, host_string: str) -> dict[str, Any]:
        """The host is an address and nothing else: no user@, no :port, and IPv6 as it is."""
        return {"host": host_string, "user": None, "port": None}

    def open_gateway(self) -> Any:
        """A socket to the host: a channel of the jump host's connection, or one end of a ProxyCommand."""
        if isinstance(self.gateway, str):
            return self._run_proxy(self.gateway)
        return self.gateway.transport.open_channel(
            kind="direct-tcpip",
            dest_addr=(self.host, self.port),
            src_addr=("", 0),
            timeout=self.connect_kwargs["timeout"],
        )

    def remarks(self, kind: str) -> str:
        """What helps to understand why open() failed: keys that could not be used, what the ProxyCommand said."""
        if kind == "auth":
            return "; ".join(self._key_problems)
        if self._proxy_log is None:
            return ""
        self._proxy_log.seek(0)
        said = self._proxy_log.read().decode(errors="replace").strip()
        return f"ProxyCommand said: {said}" if said else ""

    def close(self) -> None:
        """Close the connection and end its ProxyCommand."""
        super().close()
        if self._proxy is not None:
            self._proxy.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._proxy.wait(1)
        if self._proxy_log is not None:
            self._proxy_log.close()
            self._proxy_log = None

    def _run_proxy(self, command: str) -> socket.socket:
        """Run a ProxyCommand as OpenSSH does, by the shell with exec (paramiko's own spins when the command ends)."""
        ours, theirs = socket.socketpair()
        self._proxy_log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close())
        with theirs:
            self._proxy = subprocess.Popen(
                f"exec {command}",
                shell=True,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._proxy_log,
                start_new_session=True,
            )
        return ours


def _transport_factory(policy: HostKeyPolicy) -> Callable[..., Transport]:
    def make(sock: Any, **arguments: Any) -> Transport:
        transport = Transport(sock, **arguments)
        security = transport.get_security_options()
        security.key_types = policy.key_types(security.key_types)
        return transport

    return make


def _keys(target: Target) -> tuple[list[tuple[str, PKey]], list[str]]:
    """Identity files that can be used, with their keys, and why others cannot (their keys may be in the agent)."""
    found = []
    problems = []
    for file in target.identity_files:
        try:
            found.append((file, _load(file)))
        except FileNotFoundError:
            problems.append(f"{file} does not exist")
        except (PasswordRequiredException, ValueError, TypeError):
            problems.append(f"{file} needs a passphrase")
        except (OSError, SSHException, AuthenticationException) as error:
            problems.append(f"{file}: {error}")
    return found, problems


@cache
def _load(file: str) -> PKey:
    """A private key, parsed once for all hosts; a certificate beside it (-cert.pub) is used with it."""
    return PKey.from_path(Path(file))
