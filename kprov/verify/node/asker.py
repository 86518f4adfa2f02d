"""Asks many questions from inside a cluster in one go. Sent to a host's `python3 -` (see kprov/verify/asking.py).

A job is {"kubectl": argv, "namespace": name, "seconds": limit, "stages": [[question, ...], ...]}; stages run one after
the other, the questions of a stage at the same time. Printed: {"answers": {id: answer}}, one line. Questions:

dial  {"id", "kind": "dial", "pod", "query", "want", "seconds", "until"}: let a pod (agnhost netexec) make a request.
      Asked again until it is as wanted ("answer": something came back; "silence": nothing did, twice in a row, because
      one answer may just be late) or for `until` seconds.
get   {"id", "kind": "get", "url", "seconds", "until"}: an HTTP request of this host itself.
run   {"id", "kind": "run", "argv", "stdin", "seconds"}: a command on this host.

An answer is {"ok", "text", "error", "first_error", "tries", "began", "ended", "unasked"}. unasked: why the question
could not even be asked; began and ended: seconds since the job began.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Optional, Tuple  # noqa: UP035 (Python 3.9 runs this)

Job = Dict[str, Any]  # noqa: UP006
Question = Dict[str, Any]  # noqa: UP006
Answer = Dict[str, Any]  # noqa: UP006
Said = Tuple[str, Optional[str]]  # noqa: UP006, UP045 (text, error)

STARTED = time.monotonic()
AT_ONCE = 8  # kubectl processes at the same time: each costs some 20 MB
DIALS_AT_ONCE = 16  # per pod
FORWARD_SECONDS = 15.0  # for `kubectl port-forward` to get through
AGAIN_SECONDS = 0.2  # between two tries
SHOWN = 300  # characters of an answer that are worth sending home


def work(job: Job) -> dict[str, Answer]:
    """All answers of a job."""
    answers: dict[str, Answer] = {}
    for stage in job["stages"]:
        by_pod: dict[str, list[Question]] = {}
        for question in stage:
            by_pod.setdefault(question.get("pod", ""), []).append(question)
        alone = by_pod.pop("", [])
        with ThreadPoolExecutor(AT_ONCE) as pods, ThreadPoolExecutor(AT_ONCE) as others:
            waiting = [pods.submit(ask_pod, job, pod, questions) for pod, questions in by_pod.items()]
            waiting += [others.submit(ask_alone, question) for question in alone]
            for one in waiting:
                answers.update(one.result())
    return answers


def ask_alone(question: Question) -> dict[str, Answer]:
    """Answer to a question that needs no pod."""
    if question["kind"] == "run":
        return {question["id"]: run(question)}
    return {question["id"]: until_wanted(question, question["url"], lambda body: (body, None))}


def run(question: Question) -> Answer:
    """Run a command."""
    began = now()
    stdin, seconds = question.get("stdin", "").encode(), question["seconds"]
    try:
        done = subprocess.run(question["argv"], input=stdin, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return answer(False, "", late(seconds), late(seconds), 1, began)
    except OSError as failed:
        return unasked(str(failed), began)
    out, said = text(done.stdout), text(done.stderr)
    error = None if done.returncode == 0 else (said or out or f"exit code {done.returncode}")
    return answer(error is None, out, error, error, 1, began)


def ask_pod(job: Job, pod: str, questions: list[Question]) -> dict[str, Answer]:
    """Let one pod dial: a port-forward goes through the kubelet, so it works where the pod network does not."""
    began = now()
    argv = [*job["kubectl"], "-n", job["namespace"], "port-forward", "--address", "127.0.0.1", f"pod/{pod}", ":8080"]
    try:
        forward = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as failed:
        return {question["id"]: unasked(str(failed), began) for question in questions}
    try:
        port, said = forwarded_port(forward)
        if port is None:
            return {question["id"]: unasked(said, began) for question in questions}
        base = f"http://127.0.0.1:{port}/dial?"
        with ThreadPoolExecutor(min(DIALS_AT_ONCE, len(questions))) as dials:
            asked = [(q["id"], dials.submit(until_wanted, q, base + q["query"], dialled)) for q in questions]
            return {id: one.result() for id, one in asked}
    finally:
        forward.kill()
        forward.wait()


def forwarded_port(forward: subprocess.Popen[bytes]) -> tuple[int | None, str]:
    """(local port, "") when the forward stands; (None, what kubectl said) when it does not in time."""
    out, err = forward.stdout, forward.stderr
    assert out is not None and err is not None
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=FORWARD_SECONDS).decode()
    except queue.Empty:
        return None, f"kubectl port-forward: {late(FORWARD_SECONDS)}"
    if line.startswith("Forwarding from 127.0.0.1:"):
        return int(line.split(":")[1].split(" ")[0]), ""
    return None, "kubectl port-forward: " + (text(err.read()) or "ended and said nothing")


def until_wanted(question: Question, url: str, read: Callable[[str], Said]) -> Answer:
    """Ask again until the answer is as wanted or time is up. read: body -> (text, error)."""
    began, tries, in_a_row, first_error = now(), 0, 0, None
    wants_answer = question.get("want", "answer") == "answer"
    needed = 1 if wants_answer else 2
    while True:
        tries += 1
        said, error = request(url, question["seconds"], read)
        if error and first_error is None:
            first_error = error
        in_a_row = in_a_row + 1 if (error is None) == wants_answer else 0
        if in_a_row == needed or now() - began + AGAIN_SECONDS >= question.get("until", 0):
            return answer(in_a_row == needed, said, error, first_error, tries, began)
        time.sleep(AGAIN_SECONDS)  # poll interval


def request(url: str, seconds: float, read: Callable[[str], Said]) -> Said:
    """(text, None) of an answer, ("", error) of none."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            return read(text(response.read()))
    except urllib.error.HTTPError as refused:
        # netexec refuses names that it cannot resolve.
        return "", text(refused.read()).replace("host and/or port param are invalid. ", "")
    except Exception as failed:  # whatever goes wrong is the answer
        reason = str(getattr(failed, "reason", failed))
        return "", late(seconds) if "timed out" in reason else reason or type(failed).__name__


def dialled(body: str) -> Said:
    """What netexec's /dial says."""
    try:
        result = json.loads(body)
    except ValueError:
        return "", body
    if result.get("responses"):
        return result["responses"][0], None
    # netexec says nothing at all when it got a header and then not the whole body.
    return "", (result.get("errors") or ["connected, but the answer stopped on its way"])[0]


def answer(ok: bool, said: str, error: str | None, first_error: str | None, tries: int, began: float) -> Answer:
    """One answer, cut to what is worth sending home."""
    return {
        "ok": ok,
        "text": said[:SHOWN],
        "error": error and error[-SHOWN:],
        "first_error": first_error and first_error[-SHOWN:],
        "tries": tries,
        "began": began,
        "ended": now(),
        "unasked": None,
    }


def unasked(why: str, began: float) -> Answer:
    """The answer to a question that could not be asked."""
    return {**answer(False, "", None, None, 0, began), "unasked": why[-SHOWN:]}


def late(seconds: float) -> str:
    """What is said of an answer that did not come."""
    return f"no answer within {seconds:g} s"


def text(raw: bytes) -> str:
    """Output of a program or a server."""
    return raw.decode("utf-8", "replace").strip()


def now() -> float:
    """Seconds since the job began."""
    return round(time.monotonic() - STARTED, 3)


def main(job: Job) -> None:
    """Do the job. After its time is over whoever asked has gone, and nothing of it may stay."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(int(job["seconds"]))
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    sys.stdout.write(json.dumps({"answers": work(job)}) + "\n")
