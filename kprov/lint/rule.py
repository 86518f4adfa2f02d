"""What a rule is, and what it says about a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kprov.lint.record import Facts, Node, View

Verdict = Literal["ok", "warning", "error", "unknown"]
NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Word:
    """What a source says about one thing. problem: what is wrong with it; fatal: it breaks the node, now or later."""

    text: str
    problem: str | None = None
    fatal: bool = False


@dataclass(frozen=True)
class Row:
    """A rule's word on one node: three columns and a verdict.

    spec, file, running: None where the source says nothing. wished: the inventory itself asks for what is wrong.
    """

    rule: str
    host: str
    spec: str | None
    file: str | None
    running: str | None
    verdict: Verdict
    message: str = ""
    hint: str | None = None
    wished: bool = False

    @property
    def found(self) -> bool:
        """Whether it is a finding."""
        return self.verdict in ("warning", "error")

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return vars(self).copy()


@dataclass(frozen=True)
class Rule:
    """Judges each source by itself, by the same measure.

    look: pure; None when the source says nothing about it. in_plan: said by `kprov plan`, too, because checking the
    inventory does not know it. kubelet: whether the running value is one of the kubelet's.
    """

    id: str
    look: Callable[[View, Facts], Word | None]
    hint: str
    in_plan: bool = False
    kubelet: bool = True

    def judge(self, node: Node) -> Row:
        """What runs counts most, then what will run after a restart, then what the inventory wants."""
        spec, file, running = (self.look(view, node.facts) for view in (node.spec, node.file, node.running))
        unasked = node.unasked if self.kubelet and running is None else None
        texts = (_text(spec), _text(file), NOT_ASKED if unasked else _text(running))
        wished = bool(spec and spec.problem)
        if running and running.problem:
            wish = "; the inventory wants it so" if spec and spec.text == running.text else ""
            return self._row(node, texts, running, running.problem + wish, wished)
        if file and file.problem:
            later = "; from the next start on" if running else ""
            return self._row(node, texts, file, file.problem + later, wished)
        if spec and spec.problem:
            return self._row(node, texts, spec, f"{spec.problem}; the inventory wants it so", wished)
        verdict: Verdict = "ok" if file or running else "unknown"
        return Row(self.id, node.host, *texts, verdict, (unasked or "") if verdict == "unknown" else "")

    def _row(self, node: Node, texts: Sequence[str | None], word: Word, message: str, wished: bool) -> Row:
        spec, file, running = texts
        verdict: Verdict = "error" if word.fatal else "warning"
        return Row(self.id, node.host, spec, file, running, verdict, message, self.hint, wished)


@dataclass(frozen=True)
class Comparison:
    """Judges the sources against each other. compare: pure; the row without rule and hint."""

    id: str
    compare: Callable[[Node], Compared]
    hint: str
    in_plan: bool = False

    def judge(self, node: Node) -> Row:
        """A difference is a warning."""
        found = self.compare(node)
        verdict: Verdict = "warning" if found.problem else "ok" if found.known else "unknown"
        message = found.problem or ("" if found.known else node.unasked or "")
        running = NOT_ASKED if found.running is None and node.unasked else found.running
        hint = self.hint if found.problem else None
        return Row(self.id, node.host, found.spec, found.file, running, verdict, message, hint)


@dataclass(frozen=True)
class Compared:
    """known: False when there was nothing to compare with."""

    spec: str | None = None
    file: str | None = None
    running: str | None = None
    problem: str | None = None
    known: bool = True


def _text(word: Word | None) -> str | None:
    return word.text if word else None
