"""Declared variables of a host: from what Ansible gives to typed values, defaults included.

kprov reads values before any machine is known, so it renders no template: a declared variable that contains Jinja is
an error. What `ip` and `container_runtime_root` are without a value depends on other variables; it is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kprov.spec.coerce import Unreadable, WrongValue, coerce
from kprov.spec.declarations import Declaration, Declarations
from kprov.spec.report import Report
from kprov.spec.secrets import is_secret
from kprov.spec.vault import Locked, is_vaulted, opened

TEMPLATE_MARKS = ("{{", "{%", "{#")
UNSAFE = "__ansible_unsafe"
# The same rule as in roles/container_runtime/vars/main.yml.
ROOTS = {"containerd": "/var/lib/containerd", "docker": "/var/lib/docker"}
NO_JINJA = "kprov reads this before Ansible runs: write the value itself"


def typed_values(
    host: str, raw: Mapping[str, Any], address: str, known: Declarations, report: Report
) -> dict[str, Any]:
    """Every declared variable of a host; those with a wrong value are reported and left out.

    address: ansible_host or the host's name, the default of `ip`.
    """
    values: dict[str, Any] = {}
    for name, declaration in known.items():
        if name not in raw:
            values[name] = address if name == "ip" else declaration.fresh_default()
            continue
        try:
            values[name] = typed(declaration, raw[name])
        except WrongValue as wrong:
            hidden = is_secret(name, raw[name]) and not isinstance(wrong, Unreadable)
            text = "has a wrong value" if hidden else str(wrong)
            report.error("wrong-value", f"{name} {text}", host=host, variable=name, hint=wrong.hint)
    if values.get("container_runtime_root") == "":
        values["container_runtime_root"] = ROOTS.get(values.get("container_runtime", ""), ROOTS["containerd"])
    return values


def typed(declaration: Declaration, raw: Any) -> Any:
    """One value as Ansible gives it, in the declared type. Raises WrongValue."""
    value = plain(raw)
    if has_template(raw):
        raise Unreadable("contains Jinja", NO_JINJA)
    return coerce(declaration, value)


def plain(raw: Any) -> Any:
    """The value without Ansible's wrappers: vaulted values opened, `!unsafe` unwrapped. Raises WrongValue."""
    if is_vaulted(raw):
        try:
            return opened(raw)
        except Locked as locked:
            raise Unreadable(str(locked), "set ANSIBLE_VAULT_PASSWORD_FILE to the file with the password") from None
    if isinstance(raw, dict):
        return raw[UNSAFE] if UNSAFE in raw else {key: plain(value) for key, value in raw.items()}
    return [plain(item) for item in raw] if isinstance(raw, list) else raw


def plain_or_none(raw: Any) -> Any:
    """Like `plain`; None for a value that cannot be opened."""
    try:
        return plain(raw) if not is_vaulted(raw) else None
    except WrongValue:
        return None


def has_template(raw: Any) -> bool:
    """True if a text anywhere in the value would be rendered by Ansible; vaulted and `!unsafe` texts are not."""
    return any(mark in text for text in _texts(raw) for mark in TEMPLATE_MARKS)


def _texts(raw: Any) -> Iterator[str]:
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, dict) and UNSAFE not in raw and not is_vaulted(raw):
        for key, value in raw.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from _texts(item)
