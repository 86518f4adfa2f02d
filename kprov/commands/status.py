"""`kprov status`: what is there, from the probe; works with the API dead and with hosts down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options
from kprov.errors import ConnectError, ExitCode, Problem
from kprov.phases.catalog import PHASES
from kprov.phases.node_settings import nothing_to_do
from kprov.phases.phase import Scope
from kprov.remote.state import ApiState, HostState, PhaseState, ProbeResult, Unreachable
from kprov.spec.cluster import ClusterSpec, Host
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.remote.ssh import Connections

# Prints the certificate that the API server on this host serves; the one in the file if it serves none.
SERVED = """
import json, socket, ssl
try:
    unverified = ssl._create_unverified_context()  # it is looked at, not trusted
    with socket.create_connection(ADDRESS, 3) as raw, unverified.wrap_socket(raw) as connection:
        pem = ssl.DER_cert_to_PEM_cert(connection.getpeercert(True))
except OSError:
    try:
        pem = open("/etc/kubernetes/pki/apiserver.crt").read()
    except OSError:
        pem = ""
print(json.dumps(pem))
"""


def status(options: Options) -> Result:
    """Exit code 0: all is as it should be; 2: something is not. Raises InputError for the inventory only."""
    from kprov.remote.probe import probe
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    loaded = load(options.inventory)
    spec = loaded.spec
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        states = probe(spec.hosts, connections=connections)
        certificates = _certificates(spec, states, connections)
    data = status_data(spec, states, certificates, datetime.now(UTC))
    return Result(
        kind="status",
        data=data,
        render=lambda console: _render(console, data),
        problems=(*loaded.warnings, *_unreachable(states)),
        exit_code=ExitCode.OK if data["healthy"] else ExitCode.FOUND,
    )


def status_data(
    spec: ClusterSpec, states: Mapping[str, ProbeResult], certificates: Mapping[str, datetime], now: datetime
) -> dict[str, Any]:
    """The report as JSON. certificates: host -> end of the API server's certificate. Pure."""
    api, via = _api(spec, states)
    hosts = [_host(spec, host, states[host.name], api, certificates.get(host.name), now) for host in spec.hosts]
    locks = [s.lock for s in states.values() if isinstance(s, HostState) and s.lock]
    cluster_records = {
        phase: api.phases.get(phase.name) if api else None for phase in PHASES if phase.scope is Scope.CLUSTER
    }
    cluster_phases = {
        phase.name: _phase(record)
        for phase, record in cluster_records.items()
        if not (phase.every_node and nothing_to_do(spec, record))
    }
    known = {host.name.lower() for host in spec.hosts}
    phases_fine = all(p["state"] == "applied" for p in cluster_phases.values())
    return {
        "cluster": spec.name,
        "healthy": bool(api and api.reachable) and phases_fine and all(host["healthy"] for host in hosts),
        "api": {
            "reachable": bool(api and api.reachable),
            "asked_on": via,
            "error": api.error if api else "no control plane could be asked",
        },
        "lock": vars(locks[0]).copy() if locks else None,
        "phases": cluster_phases,
        "hosts": hosts,
        "foreign_nodes": sorted(set(api.nodes) - known) if api else [],
    }


def _api(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> tuple[ApiState | None, str | None]:
    """(the API's answer, the control plane that gave it): the first that is reachable, else the first error."""
    asked = [
        (state.api, host.name)
        for host in spec.group("kube_control_plane")
        if isinstance(state := states[host.name], HostState) and state.api
    ]
    return next((found for found in asked if found[0].reachable), asked[0] if asked else (None, None))


def _host(
    spec: ClusterSpec, host: Host, state: ProbeResult, api: ApiState | None, until: datetime | None, now: datetime
) -> dict[str, Any]:
    node = api.nodes.get(host.name.lower()) if api else None
    here = isinstance(state, HostState)
    move = state.runtime_root if isinstance(state, HostState) else None
    version = state.cluster.kubelet_version if isinstance(state, HostState) else None
    version = node.kubelet_version if node else version
    phases = {
        phase.name: _phase(state.phases.get(phase.name) if isinstance(state, HostState) else None, known=here)
        for phase in PHASES
        if phase.scope is Scope.NODE and host in spec.group(phase.hosts)
    }
    finished = [phase["finished"] for phase in phases.values() if phase["finished"]]
    return {
        "host": host.name,
        "role": "control plane" if "kube_control_plane" in host.groups else "worker",
        "address": host.ip,
        "reachable": here,
        "error": None if isinstance(state, HostState) else state.message,
        "ready": node.ready if node else None,
        "kubelet_version": version.removeprefix("v") if version else None,
        "phases": phases,
        "last_finished": max(finished, default=None),
        "api_certificate_days": (until - now).days if until else None,
        "runtime": dict(state.runtime) if isinstance(state, HostState) else None,
        "security_modules": state.security_modules if isinstance(state, HostState) else None,
        "runtime_root": vars(move).copy() if move else None,
        "healthy": here
        and bool(node and node.ready)
        and not (move and move.step != "finished")
        and not (isinstance(state, HostState) and any(state.runtime.values()))
        and all(p["state"] == "applied" for p in phases.values()),
    }


def _phase(record: PhaseState | None, known: bool = True) -> dict[str, Any]:
    """state: applied, dirty (a run did not finish), drift (something was changed since), missing, or unknown."""
    if record is None:
        return {"state": "missing" if known else "unknown", "finished": None, "drift": []}
    state = "dirty" if record.dirty else "drift" if record.drift else "applied"
    drift = [{"what": drift.what, "problem": drift.problem} for drift in record.drift]
    return {"state": state, "finished": record.finished, "drift": drift}


def _certificates(
    spec: ClusterSpec, states: Mapping[str, ProbeResult], connections: Connections
) -> dict[str, datetime]:
    """Host -> end of the certificate that its API server serves; hosts without one are left out."""
    from cryptography.x509 import load_pem_x509_certificate

    from kprov.remote.ask import find_python

    found = {}
    for host in spec.group("kube_control_plane"):
        if not isinstance(states[host.name], HostState):
            continue
        program = f"ADDRESS = ({host.ip!r}, {int(host.variables['api_server_port'])})\n{SERVED}"
        try:
            done = connections.run(host, find_python(host.connection.python), program, timeout=10)
            pem = json.loads(done.stdout)
            if pem:
                found[host.name] = load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        except (ConnectError, ValueError):
            continue
    return found


def _unreachable(states: Mapping[str, ProbeResult]) -> list[Problem]:
    return [
        Problem("warning", "host-unreachable", state.message, host=name, hint=state.hint)
        for name, state in states.items()
        if isinstance(state, Unreachable)
    ]


def _render(console: Console, data: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("HOST", "ROLE", "ADDRESS", "READY", "KUBELET", "PHASES", "LAST FINISHED", "API CERT"):
        table.add_column(column, overflow="fold")
    for host in data["hosts"]:
        days = host["api_certificate_days"]
        table.add_row(
            host["host"],
            host["role"],
            host["address"],
            "unreachable" if not host["reachable"] and host["ready"] is None else _yes(host["ready"]),
            host["kubelet_version"] or "-",
            escape(_phases(host["phases"])),
            host["last_finished"] or "-",
            "-" if days is None else f"{days} d",
        )
    console.print(table)
    api = data["api"]
    if api["reachable"]:
        console.print(f"API: answers (asked on {api['asked_on']})")
    else:
        console.print(f"API: no answer: {escape(api['error'] or '')}", soft_wrap=True)
    cluster_phases = data["phases"] if api["reachable"] else {}
    if cluster_phases:
        console.print(f"cluster: {escape(_phases(cluster_phases))}")
    if lock := data["lock"]:
        console.print(f"lock: {lock['operation']} by {lock['holder']} since {lock['since']}", markup=False)
    for modules, hosts in _security(data["hosts"]).items():
        console.print(f"security modules: {modules}: {' '.join(hosts)}", markup=False, soft_wrap=True)
    for host in data["hosts"]:
        for path, why in (host["runtime"] or {}).items():
            if why:
                line = f"{host['host']}: the container runtime hangs: {path} {why}"
                console.print(line, style="red", markup=False, soft_wrap=True)
        if move := host["runtime_root"]:
            rest = "the old directory is kept" if move["step"] == "finished" else f"not ended, after: {move['step']}"
            line = f"{host['host']}: container runtime moved from {move['old']} to {move['new']}: {rest}"
            console.print(line, markup=False, soft_wrap=True)
    if data["foreign_nodes"]:
        console.print(f"nodes that the inventory has not: {' '.join(data['foreign_nodes'])}", soft_wrap=True)


def _security(hosts: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the kernels have on, to the hosts that have just that; hosts of which it is not known are left out."""
    found: dict[str, list[str]] = {}
    for host in hosts:
        modules = host["security_modules"]
        if modules is not None:
            text = ", ".join(f"{name} {state}" for name, state in modules.items()) or "neither AppArmor nor SELinux"
            found.setdefault(text, []).append(host["host"])
    return found


def _phases(phases: Mapping[str, Mapping[str, Any]]) -> str:
    """Fine phases as a number, the others by name: "5 applied; drift: os (/etc/x differs); missing: kubelet"."""
    named: dict[str, list[str]] = {}
    for name, phase in phases.items():
        named.setdefault(phase["state"], []).append(name + _drift(phase["drift"]))
    words = [f"{len(named.pop('applied'))} applied"] if "applied" in named else []
    return "; ".join([*words, *(f"{state}: {', '.join(names)}" for state, names in named.items())])


def _drift(drift: Sequence[Mapping[str, str]]) -> str:
    words = [f"{one['what']} {one['problem']}" for one in drift[:3]]
    return f" ({', '.join(words)})" if words else ""


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "[red]no[/red]", None: "-"}[value]
