"""What a move will do, said before it is done, with numbers."""

from __future__ import annotations

from kprov.remote.rules.rule import gib
from kprov.runtime_root.judge import Look


def announcement(look: Look, timeout: int, outage: str | None) -> list[str]:
    """Lines for people. timeout: seconds for the pods to leave; outage: why the API goes away, if it does."""
    size, target = look.answer["size"], look.answer["target"]
    static = look.answer["static_pods"]
    runtime = str(look.host.variables["container_runtime"])
    about = "" if size["exact"] else "at most "
    where = f"{target['mount_point']} ({target['type']})"
    goes_on = [f"goes on after: {look.move.step} (begun {look.move.started})"] if look.move else []
    others = look.answer["others"]
    return [
        f"{look.host.name}: {look.old} -> {look.new}",
        f"  {about}{gib(size['bytes'])} in {size['entries']} entries; {gib(target['free'])} free on {where}",
        *goes_on,
        f"  1. cordon and drain: pods leave within {timeout} s, disruption budgets are kept",
        f"  2. stop kubelet, all containers, {runtime}: the pods of DaemonSets"
        + (f" and the static pods {', '.join(static)}" if static else ""),
        *([f"     containers of your own stop, and start again at the end: {', '.join(others)}"] if others else []),
        f"  3. copy, compare, switch, start: away for about {minutes(look.seconds)} (an estimate; disks differ)",
        "  4. the runtime must have the same images, the Node must be Ready; uncordon if kprov cordoned",
        *([f"  THE API GOES AWAY meanwhile: {outage}; pods on other nodes go on"] if outage else []),
        f"  {look.old} stays until `kprov runtime-root confirm`; other nodes are not touched",
    ]


def minutes(seconds: int) -> str:
    """Seconds for people: "3 min"."""
    return f"{max(1, round(seconds / 60))} min"
