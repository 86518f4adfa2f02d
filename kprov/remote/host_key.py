"""Refuses every host whose key is not known, in place of the AutoAddPolicy that fabric installs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from kprov.remote import known_hosts
from kprov.remote.ssh_error import SshError
from kprov.remote.target import Target

# In this order a key is asked for when the host is not known yet (OpenSSH's own order, without certificates).
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


class HostKeyPolicy:
    """A paramiko missing-host-key policy. paramiko is given no known keys, so it asks here about every single host."""

    def __init__(self, target: Target, accept_new: bool) -> None:
        self._target = target
        self._accept_new = accept_new or target.strict == "accept-new"
        files = (*target.known_hosts, *target.system_known_hosts)
        self._entries = [entry for entry in known_hosts.read(files) if entry.matches(target.known_as)]

    def key_types(self, supported: Iterable[str]) -> tuple[str, ...]:
        """Key types to negotiate: those known for this host first, so that it shows a key that can be compared."""
        known = {entry.key_type for entry in self._entries if entry.marker == ""}
        if "ssh-rsa" in known:
            known |= {"rsa-sha2-512", "rsa-sha2-256"}
        available = set(supported)
        ordered = [t for t in KEY_TYPES if t in available] + [t for t in supported if t not in KEY_TYPES]
        return tuple(sorted(ordered, key=lambda key_type: key_type not in known))

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Called by paramiko before it logs in. Raises SshError(kind "host-key") unless the key is known."""
        key_type, blob = key.get_name(), key.asbytes()
        verdict, entry = known_hosts.verdict(self._entries, key_type, blob)
        if verdict == "unknown" and self._accept_new:
            known_hosts.append(self._target.known_hosts[0], self._target.known_as, key_type, blob)
        elif verdict != "known":
            raise self._error(verdict, entry, key_type, known_hosts.fingerprint(blob))

    def _error(
        self, verdict: known_hosts.Verdict, entry: known_hosts.Entry | None, key_type: str, fingerprint: str
    ) -> SshError:
        target, shown = self._target, f"its {key_type} key is {fingerprint}"
        first_file = target.known_hosts[0] if target.known_hosts else "~/.ssh/known_hosts"
        if verdict == "unknown":
            message = f"the host key of {target.known_as} is not known: {shown}"
            if any(e.marker == "@cert-authority" for e in self._entries):
                message += " (kprov does not read host certificates, @cert-authority)"
            elif target.strict in {"no", "off"}:
                message += " (kprov does not follow StrictHostKeyChecking=no)"
            scan = ["ssh-keyscan", "-t", key_type.removeprefix("ssh-"), "-p", str(target.port), target.address]
            hint = (
                f"on the machine, `ssh-keygen -lf {_key_file(key_type)}` must show the same; "
                f"then run `{shlex.join(scan)} >> {first_file}`, or this command with --accept-new-host-keys"
            )
        elif verdict == "revoked":
            message = f"the host key of {target.known_as} is revoked ({_where(entry)}): {shown}"
            hint = "give the machine a new host key"
        else:
            message = f"the host key of {target.known_as} is not the one in {_where(entry)}: {shown}"
            file = entry.file if entry else first_file
            hint = (
                f"if the machine was reinstalled and `ssh-keygen -lf {_key_file(key_type)}` on it shows the same, "
                f"run `{shlex.join(['ssh-keygen', '-R', target.known_as, '-f', file])}`; "
                "otherwise somebody may be answering in its place"
            )
        return SshError("host-key", message, hint)


def _where(entry: known_hosts.Entry | None) -> str:
    return f"{entry.file}:{entry.line}" if entry else "known_hosts"


def _key_file(key_type: str) -> str:
    name = "ecdsa" if key_type.startswith("ecdsa") else key_type.removeprefix("ssh-")
    return f"/etc/ssh/ssh_host_{name}_key.pub"
