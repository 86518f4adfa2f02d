"""An answer that is put together topic by topic. A topic that fails does not take the rest along."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


class Topics:
    """answer: {"uid", "errors": ["topic: what went wrong"], and per topic what its function returned, if it did}."""

    def __init__(self, **defaults: Any) -> None:
        self.answer: dict[str, Any] = {"errors": [], "uid": os.geteuid(), **defaults}

    def look(self, name: str, function: Callable[[], Any]) -> None:
        """Add one topic."""
        try:
            self.answer[name] = function()
        except Exception as error:  # whatever it is, the other topics are still worth having
            self.answer["errors"].append(f"{name}: {type(error).__name__}: {error}")
