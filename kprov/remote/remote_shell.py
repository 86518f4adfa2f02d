"""The command line that is sent to a host, and what its first words of output mean.

Everything runs as root: directly, or by sudo. Two marks in the output tell how far it got, whatever a login shell, a
banner or sudo writes before: `<nonce>:shell` from the login shell, `<nonce>:run` when the command itself starts.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteCommand:
    """line: what the host's shell gets; the marks and the prompt are bytes to look for in what comes back."""

    line: str
    shell_mark: bytes
    run_mark: bytes
    prompt: bytes


def as_root(command: str, *, become: bool, ask_password: bool) -> RemoteCommand:
    """Wrap a command of sh(1). become: use sudo unless the user is root; ask_password: sudo asks, else it must not.

    No newline and no exclamation mark, for login shells that are no POSIX shells (csh, fish).
    """
    nonce = "kprov-" + secrets.token_hex(8)
    prompt = f"{nonce}:password "
    inner = f"echo {nonce}:run; echo {nonce}:run >&2; {command}"
    if become:
        sudo = f'sudo -S -p "{prompt}"' if ask_password else "sudo -n"
        missing = 'command -v sudo >/dev/null 2>&1 || { echo "sudo is not installed" >&2; exit 127; }'
        outer = (
            f'echo {nonce}:shell; if [ "$(id -u)" = 0 ]; then exec sh -c "$1"; fi; {missing}; '
            f'exec env LC_ALL=C {sudo} -- sh -c "$1"'
        )
    else:
        outer = f'echo {nonce}:shell; exec sh -c "$1"'
    line = f"sh -c {shlex.quote(outer)} sh {shlex.quote(inner)}"
    return RemoteCommand(line, f"{nonce}:shell\n".encode(), f"{nonce}:run\n".encode(), prompt.encode())
