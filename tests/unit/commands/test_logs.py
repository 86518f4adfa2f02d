"""`kprov logs`: the question that a host gets, the lines that come back, following."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from rich.console import Console

from kprov.commands import logs as module
from kprov.commands.context import Options
from kprov.commands.logs import Asked, Line, command, logs, parse
from kprov.errors import CheckError, ExitCode, InputError
from kprov.remote.dialogue import Completed
from kprov.spec.cluster import Host
from kprov.spec.load import Loaded
from tests.unit.factories import make_spec


def entry(number: int, message: Any = "hello", **fields: Any) -> str:
    """A line as journalctl prints it, a second after the one with the number before."""
    stamp = str(1_800_000_000_000_000 + number * 1_000_000)
    found = {"__REALTIME_TIMESTAMP": stamp, "__CURSOR": f"s=a;i={number}", "_SYSTEMD_UNIT": "kubelet.service"}
    return json.dumps({**found, "PRIORITY": "6", "MESSAGE": message, **fields})


class FakeShell:
    """A host whose journal grows by one of the texts with each question."""

    def __init__(self, *texts: str, exit_code: int = 0, stderr: str = "") -> None:
        self.texts, self.exit_code, self.stderr = list(texts), exit_code, stderr
        self.asked: list[list[str]] = []

    def __enter__(self) -> FakeShell:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def run(self, host: Host, line: str, *more: Any, **other: Any) -> Completed:
        self.asked.append(shlex.split(line))
        if not self.texts:
            raise KeyboardInterrupt
        return Completed(self.texts.pop(0), self.stderr, self.exit_code)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(1, 1)))
    monkeypatch.setattr(module, "POLL_SECONDS", 0)


def on(monkeypatch: pytest.MonkeyPatch, shell: FakeShell) -> FakeShell:
    monkeypatch.setattr("kprov.remote.ssh.Connections", lambda **_: shell)
    return shell


def test_lines_of_the_unit_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = on(monkeypatch, FakeShell(f"{entry(0)}\n{entry(1, 'bad', PRIORITY='3')}\n"))
    result = logs(Options(), Asked("w1", "kubelet"))
    assert result.exit_code is ExitCode.OK
    assert result.data["units"] == ["kubelet"]
    assert result.data["lines"][1] == {
        "time": "2027-01-15T08:00:01.000000+00:00",
        "unit": "kubelet.service",
        "priority": 3,
        "message": "bad",
    }
    assert {"--unit=kubelet", "--lines=200"} <= set(shell.asked[0])
    console = Console(width=40)
    with console.capture() as captured:
        result.render(console)
    assert captured.get().splitlines()[1] == "2027-01-15T08:00:01.000000+00:00 kubelet: bad"


def test_runtime_stands_for_the_units_that_the_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = on(monkeypatch, FakeShell(entry(0), entry(0)))
    logs(Options(), Asked("w1", "runtime"))
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(1, 1, container_runtime="docker")))
    logs(Options(), Asked("w1", "runtime"))
    units = [[word for word in words if word.startswith("--unit")] for words in shell.asked]
    assert units == [["--unit=containerd.service"], ["--unit=docker.service", "--unit=cri-docker.service"]]


def test_since_has_no_limit_of_lines_unless_asked() -> None:
    assert command(("kubelet",), "10 min ago", None).endswith("--unit=kubelet '--since=10 min ago'")
    assert command(("a; reboot",), None, 5).endswith("'--unit=a; reboot' --lines=5")


def test_following_shows_each_line_once_and_asks_for_what_came_after(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = on(monkeypatch, FakeShell(entry(0), "", f"{entry(1)}\n{entry(2)}"))
    shown: list[Line] = []
    with pytest.raises(KeyboardInterrupt):
        logs(Options(), Asked("w1", "kubelet"), shown.append)
    assert [line.cursor for line in shown] == ["s=a;i=0", "s=a;i=1", "s=a;i=2"]
    assert [[word for word in words if "cursor" in word] for words in shell.asked] == [
        [],
        ["--after-cursor=s=a;i=0"],
        ["--after-cursor=s=a;i=0"],
        ["--after-cursor=s=a;i=2"],
    ]


def test_following_a_unit_that_has_said_nothing_yet_shows_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, FakeShell("", entry(0)))
    shown: list[Line] = []
    with pytest.raises(KeyboardInterrupt):
        logs(Options(), Asked("w1", "kubelet"), shown.append)
    assert [line.message for line in shown] == ["hello"]


def test_no_lines_is_a_warning_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, FakeShell("", exit_code=1))
    (problem,) = logs(Options(), Asked("w1", "kubelett", since="today")).problems
    assert problem.message == "the journal has no line of kubelett since today"
    assert "systemctl status kubelett" in str(problem.hint)


def test_what_journalctl_refuses_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, FakeShell("", exit_code=1, stderr="Failed to parse timestamp: yesteryear\n"))
    with pytest.raises(CheckError, match="w1: journalctl: Failed to parse timestamp: yesteryear"):
        logs(Options(), Asked("w1", "kubelet", since="yesteryear"))


def test_a_host_that_is_not_in_the_inventory_is_refused() -> None:
    with pytest.raises(InputError, match="HOST w9"):
        logs(Options(), Asked("w9", "kubelet"))


def test_bytes_and_cut_lines() -> None:
    text = "\n".join([entry(0, [104, 105, 255]), entry(1, None), '{"__REALTIME_TIMESTAMP": "1', ""])
    assert [line.message for line in parse(text)] == ["hi\N{REPLACEMENT CHARACTER}", ""]
