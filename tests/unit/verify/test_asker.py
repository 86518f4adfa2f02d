"""The program that asks from a control plane, run for real: with a kubectl that forwards to a server of this test."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from kprov.verify.asking import ASKER, Answer, Question, dial, get, run

KUBECTL = """\
#!{python}
import sys, time
if sys.argv[-2] == "pod/mute":
    sys.exit("error: remote error: tls: internal error")
print("Forwarding from 127.0.0.1:{port} -> 8080", flush=True)
time.sleep(60)
"""


@dataclass
class Pod:
    """Plays netexec: hosts is host -> replies to /dial, one after the other, the last one for ever. None: no reply."""

    hosts: dict[str, list[tuple[int, str] | None]]
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@pytest.fixture
def pod() -> Iterator[Pod]:
    playing = Pod({})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = parse_qs(urlparse(self.path).query).get("host", ["plain"])[0]
            playing.asked.append(host)
            replies = playing.hosts[host]
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if reply is None:
                playing.ended.wait(30)
                return
            self.send_response(reply[0])
            self.end_headers()
            self.wfile.write(reply[1].encode())

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    playing.url = f"http://127.0.0.1:{server.server_port}/"
    yield playing
    playing.ended.set()
    server.shutdown()


def ask(tmp_path: Path, pod: Pod, *stages: list[Question]) -> dict[str, Answer]:
    """Run the asker in a process of its own, as a control plane would."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, port=urlparse(pod.url).port))
    kubectl.chmod(0o755)
    job = {"kubectl": [str(kubectl)], "namespace": "ns", "stages": list(stages), "seconds": 60}
    program = f"{ASKER.read_text()}\nmain(json.loads({json.dumps(json.dumps(job))}))\n"
    argv = [sys.executable, "-I", "-S", "-B", "-"]
    done = subprocess.run(argv, input=program, capture_output=True, text=True, timeout=60, check=True)
    return {id: Answer(**answer) for id, answer in json.loads(done.stdout)["answers"].items()}


def ok(text: str) -> tuple[int, str]:
    return 200, json.dumps({"responses": [text]})


def failed(text: str) -> tuple[int, str]:
    return 200, json.dumps({"errors": [text]})


def test_what_a_pod_reached_comes_back(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [ok("node1 ....")], "b": [failed("dial tcp: refused")]}
    answers = ask(tmp_path, pod, [dial("a", "p", "a", 80), dial("b", "p", "b", 80)])
    assert answers["a"].ok
    assert answers["a"].text == "node1 ...."
    assert not answers["b"].ok
    assert answers["b"].said == "dial tcp: refused"


def test_it_is_asked_again_until_it_works_and_the_first_error_stays(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [failed("refused"), failed("refused"), ok("node1")]}
    answer = ask(tmp_path, pod, [dial("a", "p", "a", 80, until=10)])["a"]
    assert (answer.ok, answer.tries, answer.first_error) == (True, 3, "refused")


def test_first_and_last_error_are_both_said(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [failed("no route"), failed("refused")]}
    answer = ask(tmp_path, pod, [dial("a", "p", "a", 80, until=0.5)])["a"]
    assert answer.said.startswith("no route; after ")
    assert answer.said.endswith("refused")


def test_silence_needs_two_silences_in_a_row(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [failed("late"), ok("x"), failed("blocked"), failed("blocked")]}
    answer = ask(tmp_path, pod, [dial("a", "p", "a", 80, want="silence", until=10)])["a"]
    assert (answer.ok, answer.tries) == (True, 4)


def test_somebody_who_still_gets_through_is_no_silence(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [ok("x")]}
    assert not ask(tmp_path, pod, [dial("a", "p", "a", 80, want="silence", until=0.5)])["a"].ok


def test_no_answer_has_a_deadline(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [None]}
    assert ask(tmp_path, pod, [dial("a", "p", "a", 80, seconds=0.3)])["a"].said == "no answer within 0.3 s"


def test_name_that_is_not_resolved_is_said_as_the_resolver_did(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [(400, "host and/or port param are invalid. lookup a: no such host\n")]}
    assert ask(tmp_path, pod, [dial("a", "p", "a", 80)])["a"].said == "lookup a: no such host"


def test_answer_that_stops_on_its_way_is_an_error(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [(200, "{}")]}
    assert "stopped on its way" in ask(tmp_path, pod, [dial("a", "p", "a", 80)])["a"].said


def test_pod_that_cannot_be_told_is_unasked(tmp_path: Path, pod: Pod) -> None:
    answer = ask(tmp_path, pod, [dial("a", "mute", "a", 80)])["a"]
    assert not answer.ok
    assert answer.unasked == "kubectl port-forward: error: remote error: tls: internal error"


def test_commands_and_requests_of_the_host_itself(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"plain": [(200, "node1")]}
    asked = [
        run("good", ["cat"], stdin="hello"),
        run("bad", ["sh", "-c", "echo no >&2; exit 3"]),
        run("gone", ["/no/such/program"]),
        run("slow", ["sleep", "9"], seconds=0.2),
        get("host", pod.url),
    ]
    answers = ask(tmp_path, pod, asked)
    assert answers["good"].text == "hello"
    assert answers["bad"].said == "no"
    assert "No such file" in (answers["gone"].unasked or "")
    assert answers["slow"].said == "no answer within 0.2 s"
    assert answers["host"].text == "node1"


def test_stages_run_one_after_the_other(tmp_path: Path, pod: Pod) -> None:
    pod.hosts = {"a": [ok("x")], "b": [ok("x")]}
    ask(tmp_path, pod, [dial("1", "p", "a", 80)], [dial("2", "p", "b", 80)], [dial("3", "q", "a", 80)])
    assert pod.asked == ["a", "b", "a"]
