"""Imports go one way, so that a part can be read without the parts above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

KPROV = Path("kprov")

# A package may import those in its own row and in the rows below it.
LAYERS = (
    {"cli", "__main__"},
    {"commands"},
    {"engine", "ui", "verify", "certs", "lint", "lab", "kubeconfig", "runtime_root", "node_clean"},
    {"phases"},
    {"remote", "artifacts"},
    {"spec"},
    {"reserve"},
    {"errors", "content", "words", "__init__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# What lower parts take from above: data types and a protocol, no behaviour.
SHARED = {"kprov.ui.result", "kprov.ui.progress"}


def modules() -> list[Path]:
    return [path for path in KPROV.rglob("*.py") if "components" not in path.parts]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("kprov"):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("kprov")}
    return names


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_module_imports_only_from_its_layer_and_below(path: Path) -> None:
    own = path.relative_to(KPROV).parts[0].removesuffix(".py")
    assert own in LEVEL, f"{own} has no layer: add it to LAYERS"
    for module in imported(path) - SHARED:
        assert LEVEL[part(module)] >= LEVEL[own], f"{path} imports {module}, which is above it"


def test_plugins_and_kprov_do_not_know_each_other() -> None:
    for path in Path("plugins").rglob("*.py"):
        assert not imported(path), f"{path} imports kprov: it runs on another machine"


def test_only_ui_prints() -> None:
    for path in modules():
        if path.parts[1] in {"ui", "cli"}:
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        prints = [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
        assert not prints, f"{path}:{prints[0].lineno} prints" if prints else ""
