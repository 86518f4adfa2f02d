"""promtool, the judge of metrics and alert rules. `scripts/test` puts Debian's into the cache (need_promtool)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kprov/promtool/usr/bin"


def promtool(*arguments: str, given: str = "") -> str:
    """Everything it says; the test fails when it refuses, and is skipped on a machine without it."""
    program = shutil.which("promtool") or shutil.which("promtool", path=str(CACHE))
    if not program:
        pytest.skip("no promtool: scripts/test unit fetches it")
    done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
