"""Where kprov keeps things on a node.

Every path goes through `real()`, so a test can point `ROOT` at a temporary directory
(`monkeypatch.setattr(kprov_paths, "ROOT", tmp)`) and run a module's functions without touching the machine. Functions
that take or return "a path on the node" mean the path without ROOT.
"""

from __future__ import annotations

ROOT = ""

STATE = "/var/lib/kprov"
PHASES = STATE + "/phases"
ORIGINALS = STATE + "/originals"
ARTIFACTS = STATE + "/artifacts"
UNITS = STATE + "/units"
CLUSTER_LOCK = STATE + "/lock.json"
NODE_LOCK = "/run/kprov.lock"


def real(path: str) -> str:
    """The path to open for a path on the node: the same one, except in tests."""
    return ROOT + path
