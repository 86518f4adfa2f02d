"""Clocks that disagree: certificates are not valid yet, or not any more, and etcd's leases end early."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from kprov.errors import Problem
from kprov.remote.rules.rule import Machines, Rule, Say

# Seconds from the median of all hosts.
WARNING = 5.0
ERROR = 30.0


def _skew(machines: Machines, say: Say) -> Iterator[Problem]:
    if len(machines.all) < 2:
        return
    middle = median(machine.state.clock_skew for machine in machines.all)
    for machine in machines.all:
        off = machine.state.clock_skew - middle
        if abs(off) > WARNING:
            message = f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the other hosts'"
            hint = "let chrony or systemd-timesyncd set it: see `timedatectl` on the machine"
            yield (say.error if abs(off) > ERROR else say.warning)(machine.name, message, hint)


def _service(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        # None: a container, whose clock is its machine's. New hosts get a service from the phase `os`.
        left_alone = machine.host.variables["os_time_sync"] == "keep"
        if machine.state.time_service == "" and (left_alone or "os" in machine.state.phases):
            message = "nothing keeps its clock: no chronyd, systemd-timesyncd or ntpd runs"
            hint = "start one: `systemctl enable --now chrony`" if left_alone else "install chrony on it, or `kprov up`"
            yield say.warning(machine.name, message, hint)


RULES = (Rule("clock-skew", _skew), Rule("time-sync", _service))
