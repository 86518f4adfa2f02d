"""Where playbooks, roles, plugins and the artifact manifest live: inside the wheel, or in the checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def content_root() -> Path:
    """The directory that holds `playbooks/`, `roles/`, `plugins/` and `artifacts/`."""
    package = Path(__file__).parent
    installed = package / "_content"
    return installed if installed.is_dir() else package.parent
