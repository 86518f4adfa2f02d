"""The page docs/reference/variables.md, generated from the declarations."""

from __future__ import annotations

from kprov.spec.coerce import type_name
from kprov.spec.declarations import Declaration, Declarations
from kprov.spec.yaml_text import inline

HEADER = """# Variables

<!-- generated from roles/*/meta/argument_specs.yml by make generate; edit those files -->

Everything that can be set, by role. How an inventory looks, and where values go: [inventory.md](inventory.md).
The variables of `cluster` and `network` describe the whole cluster: kprov refuses values that differ between hosts
(`ip` is the exception: each host has its own). A variable of your own must start with `x_`; any other name that is not
below is an error.
"""


def render_reference(known: Declarations) -> str:
    """The whole page: a table per role."""
    return HEADER + "".join(_section(role, known) for role in known.roles())


def _section(role: str, known: Declarations) -> str:
    rows = "".join(_row(d) for d in known.of_role(role))
    return f"\n## `{role}`\n\n| Variable | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}"


def _row(declaration: Declaration) -> str:
    kind = type_name(declaration)
    if declaration.choices:
        kind = " or ".join(f"`{inline(c)}`" for c in declaration.choices)
    # ip is worked out by kprov; its Jinja would only confuse here.
    default = "address of the host" if declaration.name == "ip" else f"`{inline(declaration.default)}`"
    return f"| `{declaration.name}` | {_cell(kind)} | {_cell(default)} | {_cell(declaration.description)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
