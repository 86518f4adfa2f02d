"""Ansible cannot read an inventory: what it wrote, as problems with file and line.

Ansible tries plugin after plugin and writes a paragraph for each; the scan of the same files usually knows the line.
"""

from __future__ import annotations

import re
from pathlib import Path

from kprov.errors import Problem
from kprov.spec.resolve import ORIGIN
from kprov.spec.scan import Scan, as_given
from kprov.spec.secrets import may_leak

REASON = re.compile(r"Failed to parse inventory: (?P<reason>.+)")
ERROR = re.compile(r"^\[ERROR\]: (?P<text>.+)", re.MULTILINE)
VAULT = "no vault secrets found"


def problems_of(inventory: Path, said: str, scan: Scan) -> list[Problem]:
    """Problems for `Unparsable`: the scan's own findings, else the first thing that Ansible said."""
    if VAULT in said:
        hint = "set ANSIBLE_VAULT_PASSWORD_FILE to the file with the password"
        return [_problem("vault-locked", "a vars file is encrypted, and no vault password file is known", hint=hint)]
    if scan.faults:
        return [_problem("syntax", f.message, f.place.file, f.place.line) for f in scan.faults]
    origin = ORIGIN.search(said)
    reason = REASON.search(said) or ERROR.search(said)
    text = reason[1] if reason else said.splitlines()[0] if said else "ansible-inventory failed without a word"
    if may_leak(text):
        text = "cannot be parsed (Ansible's words are not shown: they may hold a password)"
    line = int(origin["line"]) if origin and origin["line"] else None
    return [_problem("syntax", text, as_given(origin["file"], inventory) if origin else str(inventory), line)]


def _problem(
    code: str, message: str, file: str | None = None, line: int | None = None, hint: str | None = None
) -> Problem:
    return Problem("error", code, message, file=file, line=line, hint=hint)
