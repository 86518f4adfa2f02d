"""What must be unique in a cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machine, Machines, Rule, Say


def _machine_id(machines: Machines, say: Say) -> Iterator[Problem]:
    for names, value in _shared(machines.all, lambda machine: machine.state.machine_id):
        hint = (
            "if they are clones: `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup` and reboot; "
            "if it is one machine, list it once"
        )
        yield say.error(names[0], f"{' and '.join(names)} have the same machine-id {value}", hint)
    for machine in machines.all:
        if machine.state.machine_id in ("", "uninitialized"):
            hint = "run `systemd-machine-id-setup` on the machine"
            yield say.error(machine.name, "has no machine-id", hint)


def _hostname(machines: Machines, say: Say) -> Iterator[Problem]:
    new = {machine.name for machine in machines.new}
    for names, value in _shared(machines.all, lambda machine: machine.state.hostname.lower()):
        if new & set(names):
            hint = (
                "the Nodes get the inventory's names; for logs, give each machine its own: `hostnamectl hostname NAME`"
            )
            yield say.warning(names[0], f"{' and '.join(names)} have the same hostname {value}", hint)


def _shared(machines: tuple[Machine, ...], key: Callable[[Machine], str]) -> Iterator[tuple[list[str], str]]:
    """Names of hosts that have the same value, and the value; without those that have none."""
    groups: dict[str, list[str]] = defaultdict(list)
    for machine in machines:
        groups[key(machine)].append(machine.name)
    for value, names in groups.items():
        if len(names) > 1 and value not in ("", "uninitialized"):
            yield names, value


RULES = (Rule("machine-id", _machine_id), Rule("hostname", _hostname))
