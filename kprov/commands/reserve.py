"""`kprov reserve`: how much of a node pods can use, the arithmetic line by line, and what other formulas would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kprov.commands.context import Options, observe
from kprov.errors import ConnectError, ExitCode, InputError, Problem
from kprov.remote.state import HostState, ProbeResult, Unreachable
from kprov.reserve.capacity import Capacity
from kprov.reserve.quantity import quantity
from kprov.reserve.reservation import RESOURCES, Reservation, Settings, profiles, reserve, text
from kprov.spec.cluster import Host
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# KubeletConfiguration's names for what a capacity is divided into.
PARTS = {
    "kube_reserved": "kubeReserved",
    "system_reserved": "systemReserved",
    "eviction_hard": "evictionHard",
    "hugepages": "huge pages",
}
NODEFS = "/var/lib/kubelet"
MIB = 2**20


@dataclass(frozen=True)
class WhatIf:
    """Values on the command line; None: the inventory's, or without one the default."""

    profile: str | None = None
    max_pods: int | None = None

    def applied(self, settings: Settings) -> Settings:
        """The settings with these values instead."""
        if self.max_pods is not None:
            settings = replace(settings, max_pods=self.max_pods)
        return settings.with_profile(self.profile) if self.profile else settings


def reserve_machine(cpu: str, memory: str, storage: str | None, what_if: WhatIf) -> Result:
    """A machine that need not exist. Raises InputError for values that are no quantities."""
    from kprov.spec.declarations import declarations

    cores, size, disk = _number("cpu", cpu), _number("memory", memory), _number("storage", storage)
    if cores != int(cores):
        raise InputError(f"--cpu {cpu}: a machine has whole CPUs")
    defaults = {d.name: d.fresh_default() for d in declarations().of_role("kubelet")}
    settings = what_if.applied(Settings.of(defaults))
    capacity = Capacity(int(cores), int(size), ephemeral_storage=int(disk), image_storage=int(disk))
    try:
        entry = _entry(None, capacity, settings)
    except ValueError as error:
        raise InputError(str(error)) from None
    return _result({"cluster": None, "hosts": [entry]}, [])


def reserve_inventory(options: Options, what_if: WhatIf) -> Result:
    """Every host of an inventory, from its probe. Exit code 2: a host is missing, or more is reserved than there is.

    Raises InputError for the inventory, ConnectError when no host answered.
    """
    observed = observe(options)
    hosts = [host for host in observed.spec.hosts if not options.limit or host.name in options.limit]
    problems = [*observed.warnings, *_unknown(hosts, observed.states)]
    found = [
        (host, state, state.capacity)
        for host in hosts
        if isinstance(state := observed.states[host.name], HostState) and state.capacity
    ]
    if not found:
        raise ConnectError("none of the hosts could be asked for its size", problems=problems)
    entries = [
        {**_entry(host.name, capacity, what_if.applied(Settings.of(host.variables))), **_disks(host, state)}
        for host, state, capacity in found
    ]
    return _result({"cluster": observed.spec.name, "hosts": entries}, problems)


def _result(data: dict[str, Any], problems: Sequence[Problem]) -> Result:
    lacking = [
        Problem(
            "error",
            "reservation",
            f"all {name.replace('_', '-')} is reserved, nothing is left for pods",
            host=entry["host"],
            hint="lower kubelet_kube_reserved, kubelet_system_reserved or kubelet_eviction_hard for this host",
        )
        for entry in data["hosts"]
        for name in entry["lacking"]
    ]
    incomplete = any(problem.severity == "error" for problem in problems)
    return Result(
        kind="reserve",
        data=data,
        render=lambda console: _render(console, data),
        problems=[*problems, *lacking],
        exit_code=ExitCode.FOUND if lacking or incomplete else ExitCode.OK,
    )


def _entry(name: str | None, capacity: Capacity, settings: Settings) -> dict[str, Any]:
    """One host as JSON."""
    found = reserve(capacity, settings)
    others = {profile: reserve(capacity, settings.with_profile(profile)) for profile in profiles()}
    return {
        "host": name,
        "profile": settings.profile,
        "max_pods": settings.max_pods,
        "capacity": _quantities(found.capacity),
        **{part: _quantities(amounts) for part, amounts in found.parts.items()},
        "allocatable": _keys(found.allocatable),
        "thresholds": dict(found.eviction_hard),
        "steps": [
            {"resource": _key(step.resource), "text": step.text, "amount": text(step.resource, step.amount)}
            for step in found.steps
        ],
        "lacking": [_key(name) for name in found.lacking()],
        "profiles": {profile: _compared(other) for profile, other in others.items()},
    }


def _compared(found: Reservation) -> dict[str, Any]:
    kube = {name: text(name, found.parts["kube_reserved"].get(name, 0)) for name in ("cpu", "memory")}
    return {"kube_reserved": kube, "allocatable": {name: found.allocatable[name] for name in kube}}


def _disks(host: Host, state: HostState) -> dict[str, Any]:
    """Which file systems count as nodefs and imagefs, and whether they are one."""
    image_root = str(host.variables["container_runtime_root"])
    node, image = state.filesystems.get(NODEFS), state.filesystems.get(image_root)
    if node is None or image is None:
        return {}
    return {
        "nodefs": {"path": NODEFS, "size": text("memory", node.size)},
        "imagefs": {"path": image_root, "size": text("memory", image.size), "is_nodefs": image.device == node.device},
    }


def _unknown(hosts: Sequence[Host], states: Mapping[str, ProbeResult]) -> list[Problem]:
    found = []
    for host in hosts:
        state = states[host.name]
        if isinstance(state, Unreachable):
            found.append(Problem("error", state.kind, state.message, host=host.name, hint=state.hint))
        elif state.capacity is None:
            why = next((error for error in state.errors if error.startswith("capacity:")), "capacity: not told")
            found.append(Problem("error", "capacity", f"its size is not known: {why}", host=host.name))
    return found


def _number(name: str, value: str | None) -> int | float:
    found = quantity(value) if value is not None else 0
    if found is None or found < 0 or (name != "storage" and found == 0):
        raise InputError(f"--{name} {value} is not a quantity", hint="--cpu 8 --memory 32Gi --storage 100Gi")
    return float(found) if found.denominator > 1 else int(found)


def _quantities(amounts: Mapping[str, int]) -> dict[str, str]:
    return {_key(name): text(name, amounts[name]) for name in RESOURCES if name in amounts}


def _keys(values: Mapping[str, str]) -> dict[str, str]:
    return {_key(name): value for name, value in values.items()}


def _key(name: str) -> str:
    """JSON's spelling of a resource."""
    return name.replace("-", "_")


def _render(console: Console, data: dict[str, Any]) -> None:
    groups: list[tuple[list[str], dict[str, Any]]] = []
    for host in data["hosts"]:
        same = {key: value for key, value in host.items() if key != "host"}
        names = next((names for names, other in groups if other == same), None)
        if names is None:
            groups.append(([str(host["host"] or "a machine of this size")], same))
        else:
            names.append(str(host["host"]))
    for number, (names, host) in enumerate(groups):
        if number:
            console.print()
        console.print(f"{' '.join(names)}: profile {host['profile']}, at most {host['max_pods']} pods", markup=False)
        console.print(_arithmetic(host))
        if "imagefs" in host:
            console.print(_disks_line(host), markup=False)
        console.print("thresholds: " + ", ".join(f"{k} {v}" for k, v in host["thresholds"].items()), markup=False)
        console.print(_comparison(host))


def _arithmetic(host: dict[str, Any]) -> Table:
    """capacity - kubeReserved - systemReserved - evictionHard = Allocatable, a block per resource."""
    table = _table("RESOURCE", "", "AMOUNT", right=("AMOUNT",))
    for name in map(_key, RESOURCES):
        if name not in host["allocatable"]:
            continue
        table.add_row(name.replace("_", "-"), "capacity", host["capacity"][name])
        for part, words in PARTS.items():
            if host[part].get(name, "0") == "0":
                continue
            table.add_row("", f"- {words}", host[part][name])
            if part == "kube_reserved":
                for step in host["steps"]:
                    if step["resource"] == name:
                        table.add_row("", f"    {step['text']}", f"[dim]({_readable(step)})[/dim]")
        table.add_row("", "[bold]= Allocatable[/bold]", f"[bold]{host['allocatable'][name]}[/bold]", end_section=True)
    return table


def _readable(step: dict[str, Any]) -> str:
    """A line's amount; bytes as MiB, in which kubeReserved is counted."""
    if step["resource"] != "memory":
        return str(step["amount"])
    return f"{float(quantity(step['amount']) or 0) / MIB:.1f} MiB"


def _comparison(host: dict[str, Any]) -> Table:
    table = _table("PROFILE", "KUBE CPU", "KUBE MEMORY", "ALLOCATABLE CPU", "ALLOCATABLE MEMORY")
    for profile, found in host["profiles"].items():
        mark = "*" if profile == host["profile"] else ""
        kube, left = found["kube_reserved"], found["allocatable"]
        table.add_row(f"{profile}{mark}", kube["cpu"], kube["memory"], left["cpu"], left["memory"])
    return table


def _disks_line(host: dict[str, Any]) -> str:
    node, image = host["nodefs"], host["imagefs"]
    line = f"nodefs: {node['size']} ({node['path']}); imagefs: "
    return line + ("the same file system" if image["is_nodefs"] else f"{image['size']} ({image['path']})")


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table
