"""Nothing is changed that nobody has agreed to."""

import io
import sys

import pytest

from kprov.cli.ask import announce_lines, asking
from kprov.errors import InputError
from kprov.ui import console


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "interactive", lambda: True)


def answer(text: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return asking("go on?", announce_lines, yes=False)(["what will be done"])


def test_yes_announces_and_does_not_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert asking("go on?", announce_lines, yes=True)(["move [a] to b"])
    said = capsys.readouterr().err
    assert "move [a] to b" in said
    assert "go on?" not in said


def test_without_a_terminal_and_without_yes_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no terminal") as refused:
        asking("go on?", announce_lines, yes=False)(["what will be done"])
    assert "--yes" in (refused.value.hint or "")
    assert "what will be done" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "wanted"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_a_person_decides(
    typed: str, wanted: bool, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(typed, monkeypatch) is wanted
