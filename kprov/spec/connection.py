"""How to reach a host, from its ansible_* variables (plugins `ssh` and `sudo` of ansible-core 2.19.

The later name wins).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.spec.cluster import Connection
from kprov.spec.coerce import FALSE_TEXTS, Unreadable, WrongValue, coerce
from kprov.spec.declarations import Declaration, Type
from kprov.spec.report import Report
from kprov.spec.secrets import is_secret
from kprov.spec.values import NO_JINJA, has_template, plain

# Setting of Connection -> Ansible's variables for it, the strongest first.
HOST = ("ansible_ssh_host", "ansible_host")
PORT = ("ansible_ssh_port", "ansible_port")
USER = ("ansible_ssh_user", "ansible_user")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
PASSWORD = ("ansible_ssh_password", "ansible_ssh_pass", "ansible_password")
BECOME = ("ansible_become",)
BECOME_PASSWORD = ("ansible_sudo_pass", "ansible_become_pass", "ansible_become_password")
PYTHON = ("ansible_python_interpreter",)
COMMON_ARGS = ("ansible_ssh_common_args",)
EXTRA_ARGS = ("ansible_ssh_extra_args",)

# Values of ansible_python_interpreter that mean "look for one", which needs a connection.
DISCOVERY = frozenset({"auto", "auto_silent", "auto_legacy", "auto_legacy_silent"})


def connection_of(host: str, raw: Mapping[str, Any], report: Report) -> Connection:
    """The connection of a host. What cannot be used is reported and left at its default."""
    read = _Reader(host, raw, report)
    python = read.text(PYTHON)
    key = read.text(KEY_FILE)
    port = read.typed(PORT, "int")
    become = read.typed(BECOME, "bool")
    return Connection(
        host=read.text(HOST) or host,
        port=port if isinstance(port, int) else Connection.port,
        user=read.text(USER),
        private_key_file=str(Path(key).expanduser()) if key else None,
        ssh_args=(*read.split(COMMON_ARGS), *read.split(EXTRA_ARGS)),
        become=become if isinstance(become, bool) else Connection.become,
        become_password=read.text(BECOME_PASSWORD),
        password=read.text(PASSWORD),
        python=python if python and python not in DISCOVERY else Connection.python,
    )


class _Reader:
    def __init__(self, host: str, raw: Mapping[str, Any], report: Report) -> None:
        self._host = host
        self._raw = raw
        self._report = report

    def text(self, names: tuple[str, ...]) -> str | None:
        value = self.typed(names, "str")
        return str(value) if value not in (None, "") else None

    def split(self, names: tuple[str, ...]) -> tuple[str, ...]:
        text = self.text(names)
        if not text:
            return ()
        try:
            return tuple(shlex.split(text))
        except ValueError:
            self._wrong(names, "has a quotation mark that is not closed")
            return ()

    def typed(self, names: tuple[str, ...], kind: Type) -> Any:
        """The strongest of the variables in that type; None if none is set or the value was reported."""
        name = next((n for n in names if self._raw.get(n) is not None), None)
        if name is None:
            return None
        raw = self._raw[name]
        try:
            if has_template(raw):
                raise Unreadable("contains Jinja", NO_JINJA)
            value = plain(raw)
            # Ansible's own plugins convert their settings, so "no" is false here.
            if kind == "bool" and isinstance(value, str) and value.lower() in FALSE_TEXTS:
                return False
            return coerce(Declaration(name, "", kind, None, ""), value)
        except WrongValue as wrong:
            hidden = is_secret(name, raw) and not isinstance(wrong, Unreadable)
            self._wrong((name,), "has a wrong value" if hidden else str(wrong), wrong.hint)
            return None

    def _wrong(self, names: tuple[str, ...], text: str, hint: str | None = None) -> None:
        name = next(n for n in names if n in self._raw)
        self._report.error("connection", f"{name} {text}", host=self._host, variable=name, hint=hint)
