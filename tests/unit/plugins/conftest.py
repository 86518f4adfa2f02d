"""Plugins run inside Ansible; here they are loaded from their files, and the "node" is a temporary directory."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import ansible.module_utils
import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"
if str(PLUGINS / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))


def load(kind: str, name: str) -> ModuleType:
    """A plugin as a Python module; an action and a module may have the same name."""
    spec = importlib.util.spec_from_file_location(f"kprov_plugins_{kind}_{name}", PLUGINS / kind / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def plugin() -> Callable[[str, str], ModuleType]:
    """load(), for tests."""
    return load


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root directory of a node: paths on the node lie below it."""
    from ansible.module_utils import kprov_paths

    monkeypatch.setattr(kprov_paths, "ROOT", str(tmp_path))
    for directory in ("etc", "run", "var/lib", "proc/sys", "sys/module"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    return tmp_path


def snapshot(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file below a directory with content, mode and time of its last change."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def tree(node: Path) -> Callable[[], dict[str, tuple[bytes, int, int]]]:
    """snapshot() of the node."""
    return lambda: snapshot(node)
