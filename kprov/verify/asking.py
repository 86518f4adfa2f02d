"""Questions that are asked from inside the cluster, and their answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kprov.errors import CheckError
from kprov.remote.ask import find_python
from kprov.remote.shell import Shell
from kprov.spec.cluster import Host
from kprov.verify.kubectl import last_line

ASKER = Path(__file__).parent / "node" / "asker.py"
SECONDS = 120.0  # for everything that is asked of one host
DIAL_SECONDS = 6.0  # agnhost gives up after 5


@dataclass(frozen=True)
class Answer:
    """What came back. ok: as wanted; unasked: why the question could not even be asked; began, ended: seconds."""

    ok: bool
    text: str = ""
    error: str | None = None
    first_error: str | None = None
    tries: int = 1
    began: float = 0.0
    ended: float = 0.0
    unasked: str | None = None

    @property
    def said(self) -> str:
        """For a red row: the first error, and the last one when it is another."""
        last = self.unasked or self.error or self.text or "nothing"
        if self.first_error and self.first_error != last:
            return f"{self.first_error}; after {self.tries} tries: {last}"
        return last if self.tries < 2 else f"{last} ({self.tries} tries in {self.ended - self.began:.0f} s)"


Answers = Mapping[str, Answer]
Question = dict[str, Any]


def dial(
    id: str, pod: str, host: str, port: int, *, until: float = 0, want: str = "answer", seconds: float = DIAL_SECONDS
) -> Question:
    """Let a pod make an HTTP request to host:port. want: "answer" or "silence"."""
    query = urlencode({"protocol": "http", "host": host, "port": port, "request": "hostname", "tries": 1})
    return {"id": id, "kind": "dial", "pod": pod, "query": query, "want": want, "seconds": seconds, "until": until}


def get(id: str, url: str, *, until: float = 0, seconds: float = DIAL_SECONDS) -> Question:
    """An HTTP request of the host itself."""
    return {"id": id, "kind": "get", "url": url, "seconds": seconds, "until": until}


def run(id: str, argv: Sequence[str], *, stdin: str = "", seconds: float = 15) -> Question:
    """A command on the host."""
    return {"id": id, "kind": "run", "argv": list(argv), "stdin": stdin, "seconds": seconds}


def ask(
    shell: Shell,
    host: Host,
    stages: Sequence[Sequence[Question]],
    *,
    kubectl: Sequence[str] = (),
    namespace: str = "",
) -> dict[str, Answer]:
    """Ask all questions of one host in one SSH exec, stage after stage. CheckError when the host cannot do it."""
    job = {"kubectl": list(kubectl), "namespace": namespace, "stages": list(stages), "seconds": SECONDS}
    program = f"{ASKER.read_text(encoding='utf-8')}\nmain(json.loads({json.dumps(json.dumps(job))}))\n"
    done = shell.run(host, find_python(host.connection.python), program, timeout=SECONDS)
    if done.exit_code != 0 or not done.stdout.startswith("{"):
        raise CheckError(f"{host.name} could not run the checks: {last_line(done)}")
    return {id: Answer(**answer) for id, answer in json.loads(done.stdout)["answers"].items()}


def second_tries(answers: Iterable[Answer]) -> str:
    """For the detail of a green check: what did not work at once is not hidden. Empty when all did."""
    late = [a for a in answers if a.ok and a.tries > 1]
    if not late:
        return ""
    slowest = max(a.ended - a.began for a in late)
    return f"; {len(late)} only after another try, within {slowest:.1f} s (first: {late[0].first_error})"


def seconds_of(answers: Iterable[Answer]) -> float:
    """From the first question to the last answer."""
    found = list(answers)
    return max(a.ended for a in found) - min(a.began for a in found) if found else 0.0
