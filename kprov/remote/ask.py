"""Runs one of kprov's programs on a host, over SSH, and reads its answer. See program.py and node/loader.py."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from kprov.errors import ConnectError
from kprov.remote.dialogue import Completed
from kprov.remote.program import PACKAGE, program
from kprov.remote.shell import Shell
from kprov.remote.state import Unreachable
from kprov.spec.cluster import Host

TIMEOUT = 30.0  # seconds for one host, connecting included
AUTOMATIC = frozenset({"auto", "auto_legacy", "auto_silent", "auto_legacy_silent"})  # ansible_python_interpreter
ANY_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Answer:
    """What a host said. document: what the program collected; skew: seconds that the host's clock is wrong."""

    document: dict[str, Any]
    skew: float = 0.0


def ask(
    host: Host, shell: Shell, question: dict[str, Any], package: str = PACKAGE, *, timeout: float = TIMEOUT
) -> Answer | Unreachable:
    """The answer of a package's main to a question; Unreachable says why there is none. Raises nothing."""
    try:
        done = shell.run(host, find_python(host.connection.python), program(question, package), timeout=timeout)
    except ConnectError as error:
        return Unreachable(getattr(error, "kind", "unreachable"), error.message, error.hint)
    found = _read(host, done)
    return found if isinstance(found, Unreachable) else Answer(found[1], clock_skew(found[0], done))


def find_python(wanted: str) -> str:
    """Shell words that run the program on standard input; without such a Python they print the ones that are there."""
    python = ANY_PYTHON if wanted in AUTOMATIC or not wanted else wanted
    run = f'p={shlex.quote(python)}; command -v "$p" >/dev/null 2>&1 && exec "$p" -I -S -B -'
    places = "/usr/bin/python3* /usr/local/bin/python3* /opt/*/bin/python3 /usr/libexec/platform-python"
    return f'{run}; echo KPROV-NO-PYTHON; for p in {places}; do [ -x "$p" ] && echo "$p"; done; exit 0'


def _read(host: Host, done: Completed) -> tuple[float, dict[str, Any]] | Unreachable:
    """(the node's clock, what the program answered); Unreachable says why there is no answer."""
    if "KPROV-NO-PYTHON" in done.stdout:
        return _no_python(host, done.stdout.partition("KPROV-NO-PYTHON")[2].split())
    if old := re.search(r"^KPROV-OLD (.*)$", done.stdout, re.MULTILINE):
        message = f"{host.connection.python} is Python {old.group(1)}; kprov needs 3.9 or newer on the machines"
        return Unreachable("python", message, "install a newer one and set ansible_python_interpreter")
    time = re.search(r"^KPROV-TIME (\S+)$", done.stdout, re.MULTILINE)
    answer = re.search(r"KPROV-BEGIN (.*) KPROV-END", done.stdout)
    if time is None or answer is None:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing")[-500:]
        return Unreachable("probe", f"the probe ended with exit code {done.exit_code} and said: {said}")
    try:
        document = json.loads(answer.group(1))
        if document["uid"] != 0:
            message = f"the probe ran as uid {document['uid']}, not as root, because ansible_become is false"
            return Unreachable("sudo", message, f"set ansible_become=true for {host.name}, or ansible_user=root")
        return float(time.group(1)), document
    except (ValueError, KeyError, TypeError) as error:
        return unreadable(error)


def unreadable(error: Exception) -> Unreachable:
    """An answer that is not what it should be."""
    return Unreachable("probe", f"the probe's answer cannot be read: {type(error).__name__}: {error}")


def clock_skew(clock: float, done: Completed) -> float:
    """Seconds by which a host's clock must be wrong: 0 if it is right for some moment between question and answer.

    (Half of the round trip would be a guess, and seconds off when the controller has much to do.)
    """
    return min(0.0, clock - done.sent_at) + max(0.0, clock - done.answered_at)


def _no_python(host: Host, found: list[str]) -> Unreachable:
    message = f"there is no {host.connection.python}"
    if found:
        return Unreachable("python", message, f"set ansible_python_interpreter={found[0]} for {host.name}")
    return Unreachable("python", message, "`apt-get install python3` or `dnf install python3` on the machine")
