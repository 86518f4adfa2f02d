"""Values and comments as YAML text, for files that are generated from the declarations."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

WIDTH = 120


def assignment(name: str, value: Any) -> str:
    """`name: value`; a list on one line if it fits, a filled dictionary always as a block."""
    block = isinstance(value, dict) and bool(value)
    text = _dump({name: value}, flow=False) if block else f"{name}: {_dump(value, flow=True)}"
    return text if len(text) <= WIDTH or block else _dump({name: value}, flow=False)


def inline(value: Any) -> str:
    """The value on one line."""
    return _dump(value, flow=True)


def comment(text: str, indent: str = "") -> str:
    """The text as comment lines."""
    return textwrap.fill(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


class _Indented(yaml.SafeDumper):
    """Indents lists below their key, as ansible-lint wants it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _dump(value: Any, *, flow: bool) -> str:
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 10_000}
    text = str(yaml.dump(value, Dumper=_Indented, default_flow_style=flow, **options))
    return text.removesuffix("\n").removesuffix("\n...")
