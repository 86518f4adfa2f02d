"""A first install by kprov and by a bare script, on the same nodes with the same artifacts; then the second run.

Design targets: install at most 1.3 x the bare script and at most 50 module calls per host; the second `up` below 3 s
without starting Ansible; `--verify-all` at most 25 module calls per host.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import bare
from benchmarks.table import print_table
from kprov.artifacts.bundle import open_bundle
from kprov.lab import lab as labs
from kprov.lab.build import build_bundle
from kprov.ui.progress import PlainProgress

T = TypeVar("T")

NAME = "bench"
KUBERNETES = "1.36"


def main() -> None:
    spec = labs.LabSpec(name=NAME, control_planes=1, workers=2, kubernetes=KUBERNETES)
    bundle = build_bundle([KUBERNETES], PlainProgress())
    try:
        _measure(spec, bundle)
    finally:
        labs.down(NAME, PlainProgress())


def _measure(spec: labs.LabSpec, bundle: Path) -> None:
    lab = labs.up(spec, PlainProgress())
    first, seconds_first = _clocked(lambda: _up(lab))
    second, seconds_second = _clocked(lambda: _up(lab))
    everything, seconds_everything = _clocked(lambda: _up(lab, "--verify-all"))
    nodes = {node.name: _node(node.name) for node in lab.nodes}
    configuration = {name: bare.configuration_of(node) for name, node in nodes.items()}
    control_plane = next(node.name for node in lab.nodes if node.role == "control_plane")
    network = bare.network_manifest_of(nodes[control_plane])
    labs.down(NAME, PlainProgress())
    lab = labs.up(spec, PlainProgress())  # the same names and addresses, empty again
    nodes = {node.name: _node(node.name) for node in lab.nodes}
    names = [control_plane, *(n for n in nodes if n != control_plane)]
    with tempfile.TemporaryDirectory() as directory:
        payloads = {}
        for name in names:
            where = Path(directory) / name
            where.mkdir()
            payloads[nodes[name]] = bare.make_payload(
                where, open_bundle(bundle), KUBERNETES, name == control_plane, configuration[name]
            )
        _, seconds_bare = _clocked(
            lambda: bare.install(nodes[names[0]], [nodes[n] for n in names[1:]], payloads, network, names)
        )
    rows = [
        ["bare script", seconds_bare, 1.0, "-", "-"],
        ["kprov up, first", seconds_first, seconds_first / seconds_bare, _most(first), first["changed"]],
        ["kprov up, second", seconds_second, seconds_second / seconds_bare, _most(second), second["changed"]],
        [
            "kprov up --verify-all",
            seconds_everything,
            seconds_everything / seconds_bare,
            _most(everything),
            everything["changed"],
        ],
    ]
    columns = [
        "one control plane, two workers",
        "seconds",
        "x bare script",
        "module calls per host, most",
        "changed hosts",
    ]
    print_table("Install", columns, rows)


def _up(lab: labs.Lab, *arguments: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "kprov", "up", str(lab.inventory), "--yes", "--no-verify", "-o", "json", *arguments]
    run = subprocess.run(argv, check=False, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{run.stderr}")
    data: dict[str, Any] = json.loads(run.stdout)["data"]
    return data


def _node(name: str) -> bare.Node:
    return bare.Node(tuple(labs.ssh_command(NAME, name, (), "kprov")))


def _clocked(call: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return call(), time.perf_counter() - started


def _most(data: dict[str, Any]) -> int:
    return max(data["module_calls"].values(), default=0)


if __name__ == "__main__":
    main()
