from __future__ import annotations

import pytest

from kprov.remote.node import commands
from tests.unit.node_clean import recording


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """crictl and ctr say what was recorded."""
    monkeypatch.setattr(commands, "find", lambda name, first="": f"/usr/local/bin/{name}")
    monkeypatch.setattr(commands, "output", recording.said)
