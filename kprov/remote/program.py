"""The probe as one text for a node's `python3 -`: the files of `kprov/remote/node/` and the question for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

NODE = Path(__file__).parent / "node"
PACKAGE = "kprov.remote.node"


def program(question: dict[str, Any]) -> bytes:
    """The program that prints the answer to the question (see node/main.py, node/loader.py)."""
    loader, sources = _parts()
    return f"{loader}\n\nrun({sources}, {json.dumps(question)!r})\n".encode()


@cache
def _parts() -> tuple[str, str]:
    sources = {"kprov": "", "kprov.remote": "", PACKAGE: ""}
    for path in sorted(NODE.glob("*.py")):
        if path.stem not in {"__init__", "loader"}:
            sources[f"{PACKAGE}.{path.stem}"] = path.read_text(encoding="utf-8")
    return (NODE / "loader.py").read_text(encoding="utf-8"), repr(sources)
