"""Operating system, architecture, init system."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import Machines, Rule, Say
from kprov.remote.state import OperatingSystem

# Family: versions (of Enterprise Linux the major ones).
SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04"), "el": ("9", "10")}
NAMES = "Debian 12 and 13, Ubuntu 22.04, 24.04 and 26.04, Enterprise Linux 9 and 10 (RHEL, CentOS Stream, Rocky, Alma)"
ENTERPRISE_LINUX = frozenset({"rhel", "centos", "rocky", "almalinux", "ol"})
ARCHITECTURES = ("amd64", "arm64")


def family(system: OperatingSystem) -> str | None:
    """Key of SUPPORTED, None for any other system (Fedora is not like RHEL here: id_like has no rhel)."""
    if system.id in ("debian", "ubuntu"):
        return system.id
    return "el" if system.id in ENTERPRISE_LINUX or "rhel" in system.id_like else None


def _supported(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        system = machine.state.os
        known = family(system)
        version = system.version_id.partition(".")[0] if known == "el" else system.version_id
        if known is None:
            yield say.error(
                machine.name, f"runs {system.pretty_name}, which kprov does not support", f"it knows {NAMES}"
            )
        elif version not in SUPPORTED[known]:
            yield say.warning(
                machine.name, f"runs {system.pretty_name}, a version kprov was not tested on: it knows {NAMES}"
            )


def _architecture(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        if machine.state.arch not in ARCHITECTURES:
            yield say.error(machine.name, f"is a {machine.state.arch} machine; kprov has files for amd64 and arm64")


def _systemd(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        if machine.state.init != "systemd":
            hint = "kubelet and container runtime are systemd units; boot the machine with systemd"
            yield say.error(machine.name, f"process 1 is {machine.state.init or 'unknown'}, not systemd", hint)


RULES = (Rule("os-supported", _supported), Rule("arch", _architecture), Rule("init-systemd", _systemd))
