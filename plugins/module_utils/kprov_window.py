"""A maintenance window, "Sun 02:00-04:00", in the node's local time. Which days it is on, systemd's timer knows."""

from __future__ import annotations

import re
import time

DAY = 86_400


def window_end(window: str, now: float) -> float | None:
    """When the window ends that is open now, in seconds since the epoch; None when it is not. Raises ValueError.

    By the times of day alone: one that begins before midnight goes on after it.
    """
    found = re.search(r"(\d\d):(\d\d)-(\d\d):(\d\d)$", window)
    if not found:
        raise ValueError(f"{window!r} is not a window such as Sun 02:00-04:00")
    first, last = (int(found[at]) * 3600 + int(found[at + 1]) * 60 for at in (1, 3))
    local = time.localtime(now)
    since_midnight = local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec
    passed, length = (since_midnight - first) % DAY, (last - first) % DAY
    return now + length - passed if passed < length else None
