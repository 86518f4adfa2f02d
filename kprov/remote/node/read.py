"""Reading files. Every path goes through `real()`, so that a test can point ROOT at a directory of its own."""

from __future__ import annotations

import json
import os
from typing import Any

ROOT = ""


def real(path: str) -> str:
    """The path to open for a path of the node: the same one, except in tests."""
    return ROOT + path


def exists(path: str) -> bool:
    """Whether there is something at the path."""
    return os.path.exists(real(path))  # noqa: PTH110 (pathlib costs 5 ms of a node's CPU)


def text(path: str) -> str:
    """Content of a text file. Raises OSError."""
    with open(real(path), encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read()


def text_or(path: str, default: str = "") -> str:
    """Content of a text file, default if it cannot be read."""
    try:
        return text(path)
    except OSError:
        return default


def json_object(path: str) -> dict[str, Any] | None:
    """The JSON object in a file; None if it is missing, damaged or something else."""
    try:
        value = json.loads(text(path))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def names(directory: str) -> list[str]:
    """Sorted names in a directory; empty if there is none."""
    try:
        return sorted(os.listdir(real(directory)))  # noqa: PTH208
    except OSError:
        return []
