"""containerd's snapshots: the layers of images and what containers have written on top, with what each takes."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import commands

NAMESPACE = "k8s.io"
SECONDS = 30.0  # what a running container has written is counted file by file


def snapshots(bin_dir: str) -> dict[str, dict[str, Any]]:
    """Name to {"parent" ("" for none), "kind" (Committed: a layer; Active, View: in use), "bytes" (None: not known)}.

    A layer is named by its ChainID, what a container has written by the container's id.
    """
    found: dict[str, dict[str, Any]] = {}
    for words in _lines(bin_dir, "ls"):
        parent = words[1] if len(words) > 2 else ""
        found[words[0]] = {"parent": parent, "kind": words[-1], "bytes": None}
    for words in _lines(bin_dir, "usage", "-b"):
        if words[0] in found and len(words) > 1 and words[1].isdigit():
            found[words[0]]["bytes"] = int(words[1])
    return found


def _lines(bin_dir: str, *arguments: str) -> list[list[str]]:
    ctr = commands.find("ctr", bin_dir)
    said = commands.output([ctr, "--namespace", NAMESPACE, "snapshots", *arguments], SECONDS) if ctr else None
    if said is None:
        raise OSError(f"ctr snapshots {arguments[0]} gave no answer within {SECONDS:.0f} s, or failed")
    return [line.split() for line in said.splitlines()[1:] if line.strip()]
