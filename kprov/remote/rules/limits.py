"""Limits of the kernel: those that the node could not take, will lose at the next boot, or has nearly used up."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machines, Rule, Say

NEARLY = 0.8  # of a limit
# Key of HostState.usage: (rule, what it is, setting that raises it).
LIMITS = {
    "inotify_instances": ("inotify-instances", "inotify instances of root", "fs.inotify.max_user_instances"),
    "open_files": ("open-files", "open files", "fs.file-max"),
    "processes": ("processes", "processes and threads", "kernel.pid_max"),
}


def _used(name: str) -> Rule:
    rule, what, setting = LIMITS[name]

    def check(machines: Machines, say: Say) -> Iterator[Problem]:
        for machine in machines.all:
            usage = machine.state.usage.get(name)
            if usage and usage.used >= NEARLY * usage.limit:
                most = f"; {usage.top}" if usage.top else ""
                yield say.warning(
                    machine.name,
                    f"uses {usage.used} of {usage.limit} {what} ({setting}){most}",
                    f"find out why, or raise it: os_sysctl: {{{setting}: {usage.limit * 2}}}",
                )

    return Rule(rule, check)


def _overridden(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        for item in machine.state.sysctl_overridden:
            yield say.warning(
                machine.name,
                f"{item.file} sets {item.key} = {item.value} and is read after kprov's file: after the next boot it is "
                f"not {item.wanted}",
                f"remove the line from {item.file}, or set os_sysctl: {{{item.key}: {item.value}}} if you want it so",
            )


def _not_set(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        # A container has the kernel of its machine; whoever made it knows that, and the role has said so once.
        if machine.state.sysctl_not_set and machine.state.time_service is not None:
            listed = "; ".join(machine.state.sysctl_not_set.values())
            hint = "if that is all right: os_sysctl: {KEY: null}"
            yield say.warning(machine.name, f"kernel settings that the node could not take: {listed}", hint)


RULES = (*map(_used, LIMITS), Rule("sysctl-overridden", _overridden), Rule("sysctl-not-set", _not_set))
