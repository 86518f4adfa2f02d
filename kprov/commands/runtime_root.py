"""`kprov runtime-root`: the container runtime's root directory moves to another disk, as an operation of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from kprov.commands.context import Observed, Options, observe, refuse_strangers
from kprov.engine.locked import LOCK_SECONDS
from kprov.engine.operation import Operation, operate
from kprov.errors import ConnectError, InputError, Interrupted, PreflightError, Problem
from kprov.phases.catalog import phase
from kprov.phases.cluster_home import find_home
from kprov.phases.inputs import inputs
from kprov.remote.rules.rule import gib
from kprov.remote.state import HostState, RuntimeRootMove
from kprov.spec.cluster import ClusterSpec, Host
from kprov.ui.result import Result
from kprov.ui.run_display import PlainDisplay

if TYPE_CHECKING:
    from kprov.runtime_root.judge import Look

# Rules of `kprov up` that point here, or are about the same.
OWN_RULES = frozenset({"runtime-root-changed", "runtime-root-move"})
# What runs on the way, with records of its own. The kubelet's thresholds follow the size of the disk.
PHASES = ("container_runtime", "kubelet")
Confirm = Callable[[list[str]], bool]


@dataclass(frozen=True)
class How:
    """What the user said. confirm: shows what will be done and asks; timeout: seconds for the pods to leave."""

    host: str
    confirm: Confirm
    dry_run: bool = False
    accept_outage: bool = False
    timeout: int = 300
    delete_emptydir_data: bool = False
    force: bool = False
    keep_copy: bool = False
    break_lock: bool = False


def migrate(options: Options, how: How, console: Console) -> Result:
    """Move the host's runtime to container_runtime_root, or go on with that.

    Raises InputError, PreflightError, and what the run raises (operate).
    """
    from kprov.runtime_root.announce import announcement, minutes
    from kprov.runtime_root.judge import judge, outage

    observed, host, state = _observed(options, how.host)
    look = _look(options, host, state)
    if not look.answer["errors"]:
        done = _nothing_to_do(look)
        if done:
            return _result(observed, "migrate", how, look.old, look.new, done)
    problems = [*_preflight(observed, host), *judge(look)]
    _refuse(problems)
    why = outage(observed.spec, observed.states, host)
    if why and not how.accept_outage and not how.dry_run:
        raise InputError(
            f"the API will be away for about {minutes(look.seconds)}: {why}", hint="if so: --accept-outage"
        )
    lines = announcement(look, how.timeout, why)
    if how.dry_run:
        return _result(
            observed, "migrate", how, look.old, look.new, "nothing was changed (--dry-run)", problems, lines=lines
        )
    if not how.confirm(lines):
        raise Interrupted("stopped before any change")
    return _run(observed, host, state, how, options, console, "migrate", (look.old, look.new), problems, look.longest)


def abort(options: Options, how: How, console: Console) -> Result:
    """The old directory is in use again. Raises InputError when there is no way back any more."""
    observed, host, state = _observed(options, how.host)
    move = _move(state, host)
    if move.step == "removing":
        raise InputError(
            f"{move.old} is being removed: there is no way back", hint="`kprov runtime-root confirm` goes on"
        )
    # Roles, records and reservations are to be as if the inventory still said the old directory.
    host = replace(host, variables={**host.variables, "container_runtime_root": move.old})
    spec = replace(observed.spec, hosts=tuple(host if h.name == host.name else h for h in observed.spec.hosts))
    state = _probe_again(options, host, state)
    observed = Observed(spec, {**observed.states, host.name: state}, observed.warnings)
    lines = [
        f"{host.name}: back from {move.new} to {move.old}, as it was before the move of {move.started}",
        "what runs on the new one stops; images that came since are not in the old one (`kprov up` brings its own)",
        f"the copy in {move.new} {'stays' if how.keep_copy else 'is removed'}",
    ]
    if not how.confirm(lines):
        raise Interrupted("stopped before any change")
    return _run(observed, host, state, how, options, console, "abort", (move.new, move.old))


def confirm(options: Options, how: How, console: Console) -> Result:
    """Remove the directory that the runtime had before; only one that a finished move has recorded."""
    observed, host, state = _observed(options, how.host)
    move = _move(state, host)
    if move.step not in ("finished", "removing"):
        raise InputError(
            f"the move on {host.name} has not ended (after: {move.step})", hint="`kprov runtime-root migrate` goes on"
        )
    size = f" ({gib(move.size)})" if move.size else ""
    if not how.confirm(
        [f"{host.name}: remove {move.old}{size}; images and containers are in {move.new} since {move.finished}"]
    ):
        raise Interrupted("nothing was removed")
    return _run(observed, host, state, how, options, console, "confirm", (move.old, move.new))


def _nothing_to_do(look: Look) -> str | None:
    if look.move and look.move.step == "finished" and look.new == look.move.new:
        return f"moved on {look.move.finished}; `kprov runtime-root confirm` removes {look.old}"
    if look.move is None and look.answer["root"] == look.new:
        return f"nothing to move: it is in {look.new} already"
    return None


def _observed(options: Options, name: str) -> tuple[Observed, Host, HostState]:
    observed = observe(options)
    refuse_strangers(observed.spec, [name], "--host")
    state = observed.states[name]
    if not isinstance(state, HostState):
        raise ConnectError(f"{name}: {state.message}", hint=state.hint)
    if "container_runtime" not in state.phases:
        raise InputError(f"{name} has no container runtime of kprov's", hint="`kprov up` installs it where you want it")
    if not state.cluster.joined:
        raise InputError(f"{name} is no node of the cluster yet", hint="`kprov up` first")
    return observed, observed.spec.host(name), state


def _move(state: HostState, host: Host) -> RuntimeRootMove:
    if state.runtime_root is None:
        raise InputError(f"on {host.name} no move of the container runtime's root directory was begun")
    return state.runtime_root


def _look(options: Options, host: Host, state: HostState) -> Look:
    from kprov.remote.ssh import Connections
    from kprov.runtime_root.look import look

    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        return look(host, state.runtime_root, connections)


def _probe_again(options: Options, host: Host, state: HostState) -> HostState:
    from kprov.remote.probe import probe

    found = probe([host], accept_new_host_keys=options.accept_new_host_keys)[host.name]
    return found if isinstance(found, HostState) else state


def _preflight(observed: Observed, host: Host) -> list[Problem]:
    from kprov.remote.preflight import preflight

    found = preflight(observed.spec, observed.states)
    return [problem for problem in found if problem.host == host.name and problem.code not in OWN_RULES]


def _refuse(problems: list[Problem]) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise PreflightError(
            f"{len(errors)} problem{'s' * (len(errors) > 1)} found before any change",
            problems=problems,
            hint="nothing was changed",
        )


def _run(
    observed: Observed,
    host: Host,
    state: HostState,
    how: How,
    options: Options,
    console: Console,
    verb: str,
    directories: tuple[str, str],
    problems: list[Problem] | None = None,
    longer: int = 0,
) -> Result:
    spec, started = observed.spec, time.monotonic()
    fingerprints = {host.name: {name: inputs(phase(name), spec, host, state.capacity) for name in PHASES}}
    step = state.runtime_root.step if state.runtime_root else ""
    # Given as extra variables, which win over the inventory: on the way back it still says the new directory.
    root = {"container_runtime_root": host.variables["container_runtime_root"]}
    asked = _control_plane(spec, observed.states, host)
    drain = {
        "node": host.name.lower(),
        "operation": "runtime-root",
        "timeout": how.timeout,
        "delete_emptydir_data": how.delete_emptydir_data,
        "force": how.force,
        "needed": step in ("switched", "finished"),
    }
    operation = Operation(
        name=f"runtime-root {verb}",
        playbooks=[f"runtime_root_{verb}"],
        spec=spec,
        states=observed.states,
        variables={
            **root,
            "runtime_root_host": host.name,
            "runtime_root_keep_copy": how.keep_copy,
            "control_plane_asked": asked,
            "drain": drain,
        },
        resume=f"`kprov runtime-root {verb} --host {host.name}` again goes on from here; other nodes were not touched"
        + ("; `kprov runtime-root abort` goes back to the old directory" if verb == "migrate" else ""),
        fingerprints=fingerprints,
        break_lock=how.break_lock,
        lock_seconds=LOCK_SECONDS + longer,
        accept_new_host_keys=options.accept_new_host_keys,
    )
    with PlainDisplay(console) as display:
        outcome, log = operate(operation, display.event)
    said = {
        "migrate": f"moved; {directories[0]} stays until `kprov runtime-root confirm --host {host.name}`",
        "abort": f"back on {directories[1]}; set container_runtime_root to it, `kprov up` refuses the other one",
        "confirm": f"removed {directories[0]}",
    }[verb]
    seconds = round(time.monotonic() - started, 1)
    return _result(
        observed, verb, how, *directories, said, problems, seconds=seconds, log=str(log), module_calls=outcome.calls
    )


def _control_plane(spec: ClusterSpec, states: Mapping[str, Any], host: Host) -> str:
    """A control plane whose API answers and that does not go away itself, as far as there is one."""
    names = [h.name for h in spec.group("kube_control_plane")]
    answering = [n for n in names if isinstance(s := states[n], HostState) and s.api and s.api.reachable]
    others = [name for name in answering if name != host.name]
    found = (others or answering or [find_home(spec, states).host or names[0]])[0]
    return found


def _result(
    observed: Observed,
    verb: str,
    how: How,
    old: str,
    new: str,
    said: str,
    problems: list[Problem] | None = None,
    **more: Any,
) -> Result:
    data = {"cluster": observed.spec.name, "host": how.host, "from": old, "to": new, "message": said, **more}

    def render(console: Console) -> None:
        for line in more.get("lines", ()):
            console.print(line, markup=False, soft_wrap=True)
        log = f" ({more['seconds']} s; log {more['log']})" if "log" in more else ""
        console.print(f"{how.host}: {said}{log}", markup=False, soft_wrap=True)

    return Result(f"runtime-root.{verb}", data, render, [*observed.warnings, *(problems or ())])
