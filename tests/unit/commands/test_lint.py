"""`kprov lint` as a command: exit codes, table, JSON, unknown rules."""

from __future__ import annotations

import pytest
from rich.console import Console

from kprov.commands.context import Options
from kprov.commands.lint import lint
from kprov.errors import ConnectError, ExitCode, InputError, Problem
from kprov.lint.look import Looked
from kprov.lint.record import Node
from kprov.lint.rules import RULES
from kprov.spec.load import Loaded
from kprov.ui.result import Result
from tests.unit.factories import make_spec
from tests.unit.lint.nodes import good, running

GONE = Problem("error", "unreachable", "no answer", host="cp1")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(1, 1)))


def looking_at(monkeypatch: pytest.MonkeyPatch, *nodes: Node, problems: tuple[Problem, ...] = ()) -> None:
    monkeypatch.setattr("kprov.lint.look.look", lambda spec, hosts, shell: Looked(nodes, problems))


def shown(result: Result) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        result.render(console)
    return captured.get()


def test_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    looking_at(monkeypatch, good())
    result = lint(Options())
    assert result.exit_code is ExitCode.OK
    assert shown(result).strip() == f"test: nothing found by {len(RULES)} rules on 1 host"
    assert len(result.data["rows"]) == len(RULES)
    assert "swap" in shown(lint(Options(), everything=True))


def test_findings_have_three_columns_and_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    looking_at(monkeypatch, running(good(), podPidsLimit=-1))
    result = lint(Options())
    assert result.exit_code is ExitCode.FOUND
    assert {problem.code for problem in result.problems} == {"pod-pids", "kubelet-differs"}
    line = next(line for line in shown(result).splitlines() if "pod-pids" in line)
    assert line.split() == ["WARN", "pod-pids", "w1", "4096", "per", "pod", "-1", "per", "pod", "-1", "per", "pod"]
    assert lint(Options(), skip=("pod-pids", "kubelet-differs")).exit_code is ExitCode.OK


def test_clean_but_incomplete_is_not_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    looking_at(monkeypatch, good(), problems=(GONE,))
    assert lint(Options()).exit_code is ExitCode.UNREADABLE
    looking_at(monkeypatch, problems=(GONE,))
    with pytest.raises(ConnectError):
        lint(Options())


def test_a_misspelt_rule_or_host_is_refused() -> None:
    with pytest.raises(InputError) as error:
        lint(Options(), skip=("pod-pid",))
    assert error.value.hint == "did you mean pod-pids?"
    with pytest.raises(InputError):
        lint(Options(limit=("w9",)))
