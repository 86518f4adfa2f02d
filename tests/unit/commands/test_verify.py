"""`kprov verify` as a command: exit code, JSON, problems, table."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from kprov.commands.context import Options
from kprov.commands.verify import verify
from kprov.errors import ExitCode
from kprov.spec.load import Loaded
from kprov.ui.result import Result
from kprov.verify.asking import Answer
from tests.unit.factories import make_spec
from tests.unit.verify.fakes import FakeShell, Item, good_answer


class FakeConnections(FakeShell):
    """The same, made and closed like Connections."""

    def __enter__(self) -> FakeConnections:
        return self

    def __exit__(self, *_: Any) -> None:
        return


@pytest.fixture(autouse=True)
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec()))


def verified(monkeypatch: pytest.MonkeyPatch, shell: FakeConnections) -> Result:
    monkeypatch.setattr("kprov.remote.ssh.Connections", lambda **_: shell)
    return verify(Options())


def shown(result: Result) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        result.render(console)
    return captured.get()


def test_green(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verified(monkeypatch, FakeConnections())
    assert result.exit_code is ExitCode.OK
    assert all(check["ok"] for check in result.data["checks"])
    assert "all 12 checks green" in shown(result)


def test_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(question: Item) -> Answer:
        error = "connection [red]refused"
        return Answer(ok=False, error=error) if question["id"] == "node-port/w1/node" else good_answer(question)

    result = verified(monkeypatch, FakeConnections(answer=broken))
    assert result.exit_code is ExitCode.FOUND
    assert [(p.code, p.host) for p in result.problems] == [("node-port", "w1")]
    assert result.problems[0].hint
    assert "connection [red]refused" in shown(result)
    assert "1 of 12 checks red" in shown(result)
