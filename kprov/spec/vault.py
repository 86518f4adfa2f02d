"""Vaulted values that kprov itself needs: connection passwords and declared variables.

`ansible-inventory` leaves them encrypted. They are opened with `ansible-vault`, once per ciphertext, through pipes.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import Any

from kprov.spec.resolve import environment, program

KEY = "__ansible_vault"


class Locked(Exception):
    """The value cannot be opened; the text says why."""


def is_vaulted(value: Any) -> bool:
    """True for the form in which `ansible-inventory --list` shows a vaulted value."""
    return isinstance(value, dict) and KEY in value


def opened(value: dict[str, Any]) -> str:
    """The plain text of a vaulted value. Raises Locked without a password file or with the wrong one."""
    if not os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE"):
        raise Locked("is encrypted, and no vault password file is known")
    return _decrypt(str(value[KEY]))


@cache
def _decrypt(ciphertext: str) -> str:
    done = subprocess.run(
        [program("ansible-vault"), "decrypt", "--output", "-", "-"],
        input=ciphertext,
        capture_output=True,
        env=environment(),
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise Locked("is encrypted, and the vault password file does not open it")
    return done.stdout
