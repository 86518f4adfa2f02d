"""What can go wrong between the controller and a host."""

from __future__ import annotations

import errno
import os
import socket
from typing import Literal

from kprov.errors import ConnectError
from kprov.remote.target import Target

# How paramiko says that nothing came in time. The last: start_client() gave up, and the next call finds no session.
TIMEOUTS = ("timed out", "timeout", "Timeout", "No existing session")
NO_BANNER = "Error reading SSH protocol banner"

Kind = Literal["unreachable", "auth", "host-key", "sudo", "python", "probe"]


class SshError(ConnectError):
    """A host that cannot be used. kind: as in kprov.remote.state.Unreachable."""

    def __init__(self, kind: Kind, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def translate(error: BaseException, target: Target, timeout: float) -> SshError:  # noqa: PLR0911 (a table)
    """What fabric, paramiko or a socket raised while connecting, in words, with the command that shows it by hand."""
    from paramiko.ssh_exception import (
        AuthenticationException,
        ChannelException,
        NoValidConnectionsError,
        PasswordRequiredException,
    )

    if isinstance(error, SshError):
        return error
    where = f"{target.address} port {target.port}"
    if isinstance(error, AuthenticationException) or str(error) == "No authentication methods available":
        said = "the private key needs a passphrase" if isinstance(error, PasswordRequiredException) else str(error)
        return SshError("auth", f"{target.user}@{where} refused the login: {said}", _auth_hint(target))
    if isinstance(error, socket.gaierror):
        hint = f"set ansible_host for {target.name}, or see `getent hosts {target.address}`"
        return SshError("unreachable", f"the name {target.address} has no address: {error.strerror}", hint)
    if isinstance(error, NoValidConnectionsError):
        reasons = sorted({error_text(e) for e in error.errors.values()})
        return SshError("unreachable", f"{where}: {', '.join(reasons)}", _try(target))
    if isinstance(error, ChannelException):
        return SshError("unreachable", f"the jump host cannot connect to {where}: {error.text}", _try(target))
    if isinstance(error, TimeoutError) or any(words in str(error) for words in TIMEOUTS) or str(error) == NO_BANNER:
        return SshError("unreachable", f"{where} gave no answer within {timeout:g} s", _try(target))
    if isinstance(error, EOFError):
        return SshError("unreachable", f"{where} closed the connection", _try(target))
    said = error_text(error) if isinstance(error, OSError) else str(error) or type(error).__name__
    return SshError("unreachable", f"{where}: {said}", _try(target))


def error_text(error: BaseException) -> str:
    """The system's words for an errno, else the error's own."""
    if isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return str(error.strerror).lower()
    return str(error)


def _try(target: Target) -> str:
    return f"try `{target.command} true`"


def _auth_hint(target: Target) -> str:
    hint = f"{_try(target)}; keys tried: {', '.join(target.identity_files) or 'those in ~/.ssh'}"
    return hint + (" and the agent's" if target.use_agent and "SSH_AUTH_SOCK" in os.environ else "")
