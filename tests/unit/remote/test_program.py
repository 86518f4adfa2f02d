"""The program that is sent to a node: it runs alone, on old Pythons, and says what it needs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kprov.remote.probe import question
from kprov.remote.program import KPROV, NODE, program
from tests.unit.factories import make_host


def answer(arguments: list[str]) -> dict[str, object]:
    done = subprocess.run(
        [*arguments, "-I", "-S", "-B", "-"],
        input=program(question(make_host("cp1", "kube_control_plane"))),
        capture_output=True,
        check=True,
        cwd="/",
    )
    assert done.stderr == b""
    found = re.search(r"KPROV-BEGIN (.*) KPROV-END", done.stdout.decode())
    assert found
    value: dict[str, object] = json.loads(found.group(1))
    return value


def test_it_runs_without_kprov_and_collects_every_topic() -> None:
    found = answer([sys.executable])
    assert found["errors"] == []
    assert {"identity", "os", "resources", "kernel_features", "records", "cluster", "api"} <= set(found)


@pytest.mark.parametrize("path", sorted(KPROV.glob("*/node/*.py")), ids=lambda p: f"{p.parts[-3]}/{p.name}")
def test_what_runs_on_nodes_is_made_of_python_3_9_and_the_standard_library(path: Path) -> None:
    """A program may import the probe's files, which are sent along with every one, and its own."""
    ours = ("kprov.remote.node", f"kprov.{path.parts[-3]}.node")
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.startswith(ours) or name.partition(".")[0] in sys.stdlib_module_names


def test_an_old_python_can_read_the_head() -> None:
    text = (NODE / "loader.py").read_text()
    ast.parse(text, feature_version=(3, 6))
    assert "annotations" not in re.sub('""".*?"""', "", text, flags=re.DOTALL)


def test_an_old_python_is_told_apart() -> None:
    text = program(question(make_host("n1"))).decode().replace("OLDEST_PYTHON = (3, 9)", "OLDEST_PYTHON = (9, 9)")
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, check=True)
    assert re.search(r"^KPROV-OLD 3\.", done.stdout, re.MULTILINE)
