"""A first install by kprov and by a bare script, on the same nodes with the same artifacts; then the second run.

Several rounds, kprov and the script by turns: one install varies by a fifth, because the controller manager tries its
lease before the API server has created its permission and then waits two to four seconds.

Design targets: install at most 1.3 x the bare script and at most 50 module calls per host; the second `up` below 3 s
without starting Ansible; `--verify-all` at most 25 module calls per host.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import bare
from benchmarks.table import print_table
from kprov.artifacts.bundle import open_bundle
from kprov.lab import lab as labs
from kprov.lab.build import build_bundle
from kprov.ui.progress import PlainProgress

NAME = "bench"
KUBERNETES = "1.36"
ROUNDS = 3
BARE = "bare script"


def main() -> None:
    spec = labs.LabSpec(name=NAME, control_planes=1, workers=2, kubernetes=KUBERNETES)
    bundle = build_bundle([KUBERNETES], PlainProgress())
    rounds = []
    try:
        for number in range(1, ROUNDS + 1):
            PlainProgress().step(f"round {number} of {ROUNDS}")
            rounds.append(_round(spec, bundle))
    finally:
        labs.down(NAME, PlainProgress())
    _print(rounds)


@dataclass(frozen=True)
class Measured:
    """One installation or one later run: wall time in seconds; of kprov's runs what `up -o json` said."""

    seconds: float
    said: dict[str, Any]


def _round(spec: labs.LabSpec, bundle: Path) -> dict[str, Measured]:
    """kprov on fresh nodes, then the bare script on fresh nodes of the same names and addresses."""
    lab = labs.up(spec, PlainProgress())
    measured = {
        "kprov up, first": _up(lab),
        "kprov up, second": _up(lab),
        "kprov up --verify-all": _up(lab, "--verify-all"),
    }
    nodes = _nodes(lab)
    configuration = [bare.configuration_of(node) for node in nodes]
    network = bare.network_manifest_of(nodes[0])
    labs.down(NAME, PlainProgress())
    lab = labs.up(spec, PlainProgress())
    nodes = _nodes(lab)
    names = [node.name for node in _control_planes_first(lab)]
    with tempfile.TemporaryDirectory() as directory:
        payloads = {}
        for position, node in enumerate(nodes):
            where = Path(directory) / names[position]
            where.mkdir()
            payloads[node] = bare.make_payload(
                where, open_bundle(bundle), KUBERNETES, position == 0, configuration[position]
            )
        os.sync()
        started = time.perf_counter()
        bare.install(nodes[0], nodes[1:], payloads, network, names)
        measured[BARE] = Measured(time.perf_counter() - started, {})
    labs.down(NAME, PlainProgress())
    return measured


def _print(rounds: list[dict[str, Measured]]) -> None:
    rows: list[list[Any]] = []
    for name in (BARE, *(name for name in rounds[0] if name != BARE)):
        runs = [each[name] for each in rounds]
        ratios = [each[name].seconds / each[BARE].seconds for each in rounds]
        calls = max((max(run.said["module_calls"].values(), default=0) for run in runs if run.said), default="-")
        changed = max((run.said["changed"] for run in runs if run.said), default="-")
        seconds = " ".join(f"{run.seconds:.1f}" for run in runs)
        rows.append([name, seconds, median(run.seconds for run in runs), median(ratios), calls, changed])
    columns = [
        "one control plane, two workers",
        "seconds",
        "median",
        "x bare script, median",
        "module calls per host, most",
        "changed hosts",
    ]
    print_table("Install", columns, rows)


def _up(lab: labs.Lab, *arguments: str) -> Measured:
    argv = [sys.executable, "-m", "kprov", "up", str(lab.inventory), "--yes", "--no-verify", "-o", "json", *arguments]
    os.sync()  # what was written before is not this run's
    started = time.perf_counter()
    run = subprocess.run(argv, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if run.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{run.stderr}")
    return Measured(seconds, json.loads(run.stdout)["data"])


def _control_planes_first(lab: labs.Lab) -> list[Any]:
    return sorted(lab.nodes, key=lambda node: node.role != "control_plane")


def _nodes(lab: labs.Lab) -> list[bare.Node]:
    return [bare.Node(tuple(labs.ssh_command(NAME, n.name, (), "kprov"))) for n in _control_planes_first(lab)]


if __name__ == "__main__":
    main()
