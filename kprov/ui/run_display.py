"""A run as it happens: a live table of phases and hosts on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from kprov.engine.events import Event
from kprov.phases.catalog import PHASES
from kprov.phases.plan import Plan

MANY_HOSTS = 8  # more columns than this do not fit a terminal: the live table shows counts instead


class RunDisplay(Protocol):
    """Consumes the events of a run."""

    def __enter__(self) -> RunDisplay: ...
    def __exit__(self, *_: object) -> None: ...
    def event(self, event: Event) -> None:
        """Show one event."""
        ...


def run_display(console: Console, plan: Plan) -> RunDisplay:
    """The display that fits the console."""
    return LiveDisplay(console, plan) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """A line when a task changed something or failed, and one per phase."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._play: str | None = None

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def event(self, event: Event) -> None:
        if event.event == "play" and event.play and event.play != self._play:
            self._play = event.play
            self._line(event.play)
        elif event.event == "ok" and event.changed:
            done = (
                f" ({', '.join(event.changes[:3])}{', ...' if len(event.changes) > 3 else ''})" if event.changes else ""
            )
            self._line(f"  {event.host}: {event.task}{done}")
        elif event.event in {"failed", "unreachable"}:
            self._line(f"  {event.host}: {event.task}: {event.event}")
        elif event.event == "retry" and event.msg:  # a task that takes long says how far it is
            self._line(f"  {event.host}: {event.task}: {event.msg}")

    def _line(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        self._console.print(f"{elapsed:6.1f}s {escape(text)}", soft_wrap=True)


class LiveDisplay:
    """Rows are phases, columns are hosts; under it, what runs now and for how long."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._plan = plan
        self._started = time.monotonic()
        self._hosts = list(dict.fromkeys(step.host for step in plan.steps))
        self._cells = {(step.phase, step.host): "waiting" for step in plan.steps}
        self._running: dict[str, tuple[str, float]] = {}
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.clear()
        self._live.stop()

    def event(self, event: Event) -> None:
        if not event.host:
            return
        cell = (event.phase or "", event.host)
        if event.event == "start":
            self._running[event.host] = (event.task or "", time.monotonic())
        elif event.event in {"ok", "skip", "failed", "unreachable"}:
            self._running.pop(event.host, None)
        if cell not in self._cells:
            return
        if event.event in {"failed", "unreachable"} and not event.ignored:
            self._cells[cell] = "failed"
        elif event.event == "ok" and event.recorded:
            self._cells[cell] = "done"
        elif event.event == "start" and self._cells[cell] == "waiting":
            self._cells[cell] = "running"

    def _render(self) -> Group:
        return Group(self._table(), *self._now())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("PHASE")
        wide = len(self._hosts) > MANY_HOSTS
        for host in ("DONE", "RUNNING", "FAILED", "WAITING") if wide else self._hosts:
            table.add_column(host, justify="right" if wide else "left")
        for phase in PHASES:
            states = {h: self._cells[phase.name, h] for h in self._hosts if (phase.name, h) in self._cells}
            if not states:
                continue
            if wide:
                counts = [list(states.values()).count(s) for s in ("done", "running", "failed", "waiting")]
                table.add_row(phase.name, *(str(c) if c else "" for c in counts))
            else:
                table.add_row(phase.name, *(_mark(states.get(h, "")) for h in self._hosts))
        return table

    def _now(self) -> list[Text]:
        now = time.monotonic()
        lines = [Text(f"elapsed {now - self._started:.0f} s", style="dim")]
        for host, (task, since) in list(self._running.items())[:MANY_HOSTS]:
            lines.append(Text(f"  {host}: {task} {now - since:.0f} s", style="cyan"))
        return lines


def _mark(state: str) -> Text:
    marks = {
        "done": ("done", "green"),
        "running": ("running", "cyan"),
        "failed": ("failed", "red"),
        "waiting": ("...", "dim"),
    }
    text, style = marks.get(state, ("-", "dim"))
    return Text(text, style=style)
