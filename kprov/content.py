"""Where playbooks, roles, plugins and the artifact manifest live: inside the wheel, or in the checkout."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType


@cache
def content_root() -> Path:
    """The directory that holds `playbooks/`, `roles/`, `plugins/` and `artifacts/`."""
    package = Path(__file__).parent
    installed = package / "_content"
    return installed if installed.is_dir() else package.parent


@cache
def module_util(name: str) -> ModuleType:
    """A file of plugins/module_utils as a Python module.

    For arithmetic that a role and kprov must not have twice. It lives with the plugins because a node's record covers
    them: another formula is a reason to run the phase again.
    """
    package = importlib.import_module("ansible.module_utils")
    directory = str(content_root() / "plugins/module_utils")
    if directory not in package.__path__:
        package.__path__.append(directory)
    return importlib.import_module(f"ansible.module_utils.{name}")
