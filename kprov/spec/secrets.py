"""Which variables hold secrets: their values are in no message."""

from __future__ import annotations

import re
from typing import Any

from kprov.spec.vault import is_vaulted

SECRET = re.compile(r"passw|passphrase|secret|_pass$|private_key$|_token$", re.IGNORECASE)


def is_secret(name: str, raw: Any = None) -> bool:
    """True if the name sounds like a secret or the value was encrypted."""
    return bool(SECRET.search(name)) or is_vaulted(raw)


def may_leak(text: str) -> bool:
    """True if a foreign program's message could quote a secret."""
    return bool(re.search(r"pass|secret|token", text, re.IGNORECASE))
