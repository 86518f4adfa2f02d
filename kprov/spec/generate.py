"""Every file that `make generate` writes, with its text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kprov.spec.declarations import read
from kprov.spec.defaults import render_defaults
from kprov.spec.reference import render_reference


def generated(root: Path) -> Mapping[Path, str]:
    """root: the checkout. Raises ValueError when two roles declare the same variable."""
    known = read(root / "roles")
    defaults = {root / "roles" / role / "defaults" / "main.yml": render_defaults(known, role) for role in known.roles()}
    return {**defaults, root / "docs" / "reference" / "variables.md": render_reference(known)}
