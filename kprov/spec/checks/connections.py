"""How hosts are reached: what kprov's own SSH connection can do."""

from __future__ import annotations

from pathlib import Path

from kprov.spec.draft import Draft
from kprov.spec.report import Report

SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"})
SUDO = frozenset({"sudo", "ansible.builtin.sudo"})


def connections(draft: Draft, report: Report) -> None:
    """SSH, sudo, a valid port, and a key that exists."""
    for host in draft.hosts:
        for variable, allowed, what in (("ansible_connection", SSH, "SSH"), ("ansible_become_method", SUDO, "sudo")):
            value = host.raw.get(variable)
            if isinstance(value, str) and value not in allowed:
                text = f"{variable} {value!r}: kprov works over SSH with sudo only"
                report.error(
                    "connection", text, host=host.name, variable=variable, hint=f"delete it: {what} is the default"
                )
        if not 0 < host.connection.port <= 65535:
            text = f"{host.connection.port} is not a port number (1 to 65535)"
            report.error("connection", text, host=host.name, variable="ansible_port")
        key = host.connection.private_key_file
        if key and not Path(key).is_file():
            text = f"the private key {key} does not exist"
            report.warning("connection", text, host=host.name, variable="ansible_ssh_private_key_file")
