"""The probe as one text for a node's `python3 -`: the files of `kprov/remote/node/` and the question for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

KPROV = Path(__file__).parents[1]
NODE = KPROV / "remote/node"
PACKAGE = "kprov.remote.node"


def program(question: dict[str, Any], package: str = PACKAGE) -> bytes:
    """The program that prints what `package`.main answers to the question (see node/main.py, node/loader.py).

    package: the probe's own, or another one of files that run on nodes and may import the probe's.
    """
    loader, sources = _parts(package)
    return f"{loader}\n\nrun({sources}, {json.dumps(question)!r}, {package + '.main'!r})\n".encode()


@cache
def _parts(package: str) -> tuple[str, str]:
    sources = {}
    for name in (PACKAGE, package):
        words = name.split(".")
        sources.update({".".join(words[:length]): "" for length in range(1, len(words) + 1)})
        for path in sorted(KPROV.joinpath(*words[1:]).glob("*.py")):
            if path.stem not in {"__init__", "loader"}:
                sources[f"{name}.{path.stem}"] = path.read_text(encoding="utf-8")
    return (NODE / "loader.py").read_text(encoding="utf-8"), repr(sources)
