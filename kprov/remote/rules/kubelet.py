"""What the kubelet is told to reserve and to wait for, against what the machine has."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say
from kprov.reserve.reservation import Reservation, Settings, reserve, text


def _reservation(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine, found in _reservations(machines):
        for name in found.lacking():
            amount = sum(part.get(name, 0) for part in found.parts.values())
            message = f"{text(name, amount)} of {name} reserved, but it has {text(name, found.capacity[name])}"
            hint = "lower kubelet_kube_reserved, kubelet_system_reserved or kubelet_eviction_hard for this host"
            yield say.error(machine.name, f"{message}: the kubelet would not start", hint)


def _processes(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine, found in _reservations(machines):
        limit = int(machine.host.variables["kubelet_pod_pids_limit"])
        left = found.capacity["pid"] - sum(part.get("pid", 0) for part in found.parts.values())
        if found.capacity["pid"] and limit >= left:
            message = f"kubelet_pod_pids_limit lets one pod have {limit} processes; all pods together have {left}"
            hint = "raise kernel.pid_max and kernel.threads-max (os_sysctl), or lower the limit for this host"
            yield say.warning(machine.name, message, hint)


def _shutdown(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        if machine.state.logind is False and machine.host.variables["kubelet_shutdown_grace_period"] > 0:
            message = "systemd-logind does not run, so nothing delays a shutdown until pods have ended"
            hint = "start it (`systemctl unmask --now systemd-logind`), or set kubelet_shutdown_grace_period: 0"
            yield say.warning(machine.name, message, hint)


def _reservations(machines: Machines) -> Iterator[tuple[Machine, Reservation]]:
    for machine in machines.all:
        if machine.state.capacity:
            yield machine, reserve(machine.state.capacity, Settings.of(machine.host.variables))


RULES = (Rule("reservation", _reservation), Rule("pod-pids", _processes), Rule("shutdown-delay", _shutdown))
