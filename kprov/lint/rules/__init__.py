"""The rules, in the order in which they are shown. Each is a section of docs/reference/lint.md."""

from __future__ import annotations

from kprov.lint.rule import Comparison, Rule
from kprov.lint.rules import access, eviction, files, machine, resources, runtime

FAMILIES = (files, eviction, resources, access, machine, runtime)
RULES: tuple[Rule | Comparison, ...] = tuple(rule for family in FAMILIES for rule in family.RULES)
