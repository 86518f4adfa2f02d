"""`defaults/main.yml` of a role, generated from its declarations."""

from __future__ import annotations

from kprov.spec.declarations import Declaration, Declarations
from kprov.spec.yaml_text import assignment, comment

HEADER = "# generated from meta/argument_specs.yml by make generate; edit that file\n"


def render_defaults(known: Declarations, role: str) -> str:
    """The whole file: every variable of the role with its description and default."""
    return "---\n" + HEADER + "".join(f"\n{_entry(d)}\n" for d in known.of_role(role))


def _entry(declaration: Declaration) -> str:
    return f"{comment(described(declaration))}\n{assignment(declaration.name, declaration.default)}"


def described(declaration: Declaration) -> str:
    """The description, and the choices if there are any; the type shows in the default."""
    if len(declaration.choices) > 1:
        return f"{declaration.description} One of: {', '.join(str(c) for c in declaration.choices)}."
    return declaration.description
