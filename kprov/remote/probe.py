"""Runs the probe on every host at once and turns its JSON into typed values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from kprov.remote.answer import host_state
from kprov.remote.program import program
from kprov.remote.ssh import PARALLEL, Completed, Connections, SshError
from kprov.remote.state import ProbeResult, Unreachable
from kprov.spec.cluster import Host

TIMEOUT = 30.0  # seconds for one host, connecting included
COMMANDS = ("conntrack", "ethtool", "ip", "iptables", "modprobe", "socat", "mount", "nsenter")
# etcd's clients and peers, kubelet, kube-proxy's health, controller-manager, scheduler; the API's port is a variable.
PORTS = (2379, 2380, 10250, 10256, 10257, 10259)
STATE_DIRECTORIES = ("/", "/var/lib/kubelet", "/var/lib/etcd")
AUTOMATIC = frozenset({"auto", "auto_legacy", "auto_silent", "auto_legacy_silent"})  # ansible_python_interpreter
ANY_PYTHON = "/usr/bin/python3"

OnResult = Callable[[Host, ProbeResult], None]


def probe(
    hosts: Sequence[Host],
    *,
    accept_new_host_keys: bool = False,
    timeout: float = TIMEOUT,
    on_result: OnResult | None = None,
    connections: Connections | None = None,
) -> dict[str, ProbeResult]:
    """State of every host, in the order of `hosts`; one that gives none is Unreachable, never an exception.

    timeout: seconds for each host. on_result: called in the caller's thread as results come in. connections: open ones
    to use and leave open; without, connections are made and closed here (and only then accept_new_host_keys counts).
    """
    if connections is None:
        with Connections(accept_new_host_keys=accept_new_host_keys) as own:
            return probe(hosts, timeout=timeout, on_result=on_result, connections=own)
    results: dict[str, ProbeResult] = {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL, max(1, len(hosts))), thread_name_prefix="probe") as pool:
        pending = {pool.submit(probe_host, host, connections, timeout): host for host in hosts}
        for future in as_completed(pending):
            host = pending[future]
            results[host.name] = future.result()
            if on_result is not None:
                on_result(host, results[host.name])
    return {host.name: results[host.name] for host in hosts}


def probe_host(host: Host, connections: Connections, timeout: float = TIMEOUT) -> ProbeResult:
    """State of one host."""
    try:
        done = connections.run(host, find_python(host.connection.python), program(question(host)), timeout=timeout)
        return _result(host, done)
    except SshError as error:
        return Unreachable(error.kind, error.message, error.hint)


def question(host: Host) -> dict[str, Any]:
    """What the program on the node is told (see node/main.py)."""
    variables = host.variables
    port = int(variables["api_server_port"])
    control_plane = "kube_control_plane" in host.groups
    return {
        "bin_dir": str(variables["bin_dir"]),
        "commands": list(COMMANDS),
        "paths": [*STATE_DIRECTORIES, str(variables["container_runtime_root"]), *variables["os_disk_free"]],
        "image_root": str(variables["container_runtime_root"]),
        "ports": sorted({6443, port, *PORTS}),
        "resolv_conf": str(variables["kubelet_resolv_conf"]),
        "api_server_port": port if control_plane else None,
    }


def find_python(wanted: str) -> str:
    """Shell words that run the program on standard input; without such a Python they print the ones that are there."""
    python = ANY_PYTHON if wanted in AUTOMATIC or not wanted else wanted
    run = f'p={shlex.quote(python)}; command -v "$p" >/dev/null 2>&1 && exec "$p" -I -S -B -'
    places = "/usr/bin/python3* /usr/local/bin/python3* /opt/*/bin/python3 /usr/libexec/platform-python"
    return f'{run}; echo KPROV-NO-PYTHON; for p in {places}; do [ -x "$p" ] && echo "$p"; done; exit 0'


def _result(host: Host, done: Completed) -> ProbeResult:
    found = read_answer(host, done)
    if isinstance(found, Unreachable):
        return found
    time, document = found
    try:
        return host_state(document, clock_skew(time, done))
    except (ValueError, KeyError, TypeError) as error:
        return _unreadable(error)


def read_answer(host: Host, done: Completed) -> tuple[float, dict[str, Any]] | Unreachable:
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
        return _unreadable(error)


def _unreadable(error: Exception) -> Unreachable:
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
