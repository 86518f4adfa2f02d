"""vagrant/settings.yml, with what the environment says instead, as the Vagrantfile reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def settings() -> dict[str, Any]:
    """Setting -> value; values from the environment are strings."""
    said = yaml.safe_load((ROOT / "vagrant" / "settings.yml").read_text())
    return {key: os.environ.get(f"KPROV_VAGRANT_{key.upper()}") or value for key, value in said.items()}
