"""kprov_kubelet_serving: the node's Python runs kprov's own approver out of a directory, with nothing installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Plugin = Callable[[str, str], ModuleType]
QUESTION = {"port": 1, "kubelets": {"w1": {"address": "127.0.0.1"}}, "wait_for": ["w1"], "deadline": 0}


@pytest.fixture
def program(plugin: Plugin) -> str:
    action = plugin("action", "kprov_kubelet_serving")
    packed: str = action.packed(action.package())
    return packed


def test_the_approver_runs_and_answers(plugin: Plugin, program: str, tmp_path: Path) -> None:
    module = plugin("modules", "kprov_kubelet_serving")
    answer = module.approve(str(tmp_path), program, QUESTION)
    assert (answer["approved"], answer["left"], answer["missing"]) == ([], [], {})
    assert "https://127.0.0.1:1" in answer["error"]
    (warning,) = module.warnings(answer)
    assert answer["error"] in warning
    assert (tmp_path / "kprov/certs/node/kubelet_approver.py").exists()


def test_what_stays_pending_is_a_warning_that_says_how_to_decide(plugin: Plugin) -> None:
    left = [{"request": "csr-1", "requestor": "system:node:w1", "why": "it asks for cp1"}]
    (warning,) = plugin("modules", "kprov_kubelet_serving").warnings({"left": left, "own": [], "error": None})
    assert "csr-1" in warning
    assert "it asks for cp1" in warning
    assert "kubectl certificate approve|deny csr-1" in warning


def test_an_approver_that_fails_says_why(plugin: Plugin, program: str, tmp_path: Path) -> None:
    module = plugin("modules", "kprov_kubelet_serving")
    with pytest.raises(module.ApproverError, match="unexpected keyword argument 'nonsense'"):
        module.approve(str(tmp_path), program, {**QUESTION, "nonsense": 1})
