#!/usr/bin/python
"""kprov_machine: the machine's name, its /etc/hosts, and a service that keeps its clock."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_machine
short_description: Set the hostname, lines of /etc/hosts, run a time service
description:
  - A time service that runs is kept, whichever it is. Else the first one that is installed is enabled and started. With
    none, C(time_service) is empty and C(time_missing) true. In a container the clock is its machine's and left alone.
options:
  phase: {description: Phase that owns what is changed., type: str, required: true}
  hostname: {description: "The hostname; empty leaves it alone.", type: str, default: ""}
  hosts:
    description: Address to list of names, kept in one block of /etc/hosts; without any, the block goes.
    type: dict
    default: {}
  time_sync: {description: See above; C(keep) does nothing., type: str, choices: [auto, keep], default: keep}
author: kprov
"""

import os
import re
import socket
import stat
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_module import command_runner, finish, locked
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord, keep_original

HOSTS = "/etc/hosts"
HOSTNAME = "/etc/hostname"
BEGIN = "# BEGIN kprov: os_hosts_entries of the inventory. Changes between these lines are lost."
END = "# END kprov"
BLOCK = re.compile(rf"^{re.escape(BEGIN)}\n.*?^{re.escape(END)}\n", re.MULTILINE | re.DOTALL)
# In the order of preference, by their names in Debian and Enterprise Linux.
TIME_UNITS = (
    "chrony.service",
    "chronyd.service",
    "systemd-timesyncd.service",
    "ntpsec.service",
    "ntp.service",
    "ntpd.service",
    "openntpd.service",
)
# Keep the clock, too, but only where somebody has configured them.
OTHER_TIME_UNITS = ("ptp4l.service", "phc2sys.service")
START_DEADLINE = 10
POLL = 0.1


class MachineError(Exception):
    """The machine is not as wanted; the message is for the user."""


class Machine:
    """The running machine. run(argv) -> (exit code, output)."""

    def __init__(self, run, set_hostname=socket.sethostname) -> None:
        self._run = run
        self.set_hostname = set_hostname

    def systemctl(self, *arguments: str) -> str:
        """Output of systemctl; MachineError if it fails."""
        code, output = self._run(["systemctl", *arguments])
        if code != 0:
            raise MachineError(f"systemctl {' '.join(arguments)}: {output.strip()}")
        return output

    def units(self, names: tuple[str, ...]) -> list[dict[str, str]]:
        """Id, LoadState and ActiveState of units; an alias has the Id of what it stands for."""
        shown = self.systemctl("show", "--property=Id,LoadState,ActiveState", "--", *names)
        return [
            dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            for block in shown.strip().split("\n\n")
        ]


def apply(parameters: dict, machine: Machine, check_mode: bool = False) -> dict:
    """Bring the machine to the wanted state; the module's result. Call it under node_lock."""
    record = PhaseRecord.open(parameters["phase"], check_mode, part="kprov_machine")
    changes = _hostname(parameters["hostname"], machine, check_mode)
    changes += _hosts(parameters["hosts"], check_mode)
    warnings: list[str] = []
    service = ""
    if parameters["time_sync"] == "auto" and not in_container():
        service, changed = _time_service(machine, check_mode)
        changes += changed
        if service:
            record.add_units({service: {"start_if": None}})
        elif changed:
            warnings.append(f"{changed[0].split()[-1]} does not run; nothing keeps this machine's clock")
    missing = parameters["time_sync"] == "auto" and not service and not in_container() and not warnings
    return {
        "changed": bool(changes),
        "changes": changes,
        "time_service": service,
        "time_missing": missing,
        "warnings": warnings,
    }


def in_container() -> bool:
    """Whether the machine is a container."""
    return os.path.exists(real("/run/systemd/container")) or os.path.exists(real("/.dockerenv"))


def _hostname(wanted: str, machine: Machine, check_mode: bool) -> list[str]:
    if not wanted:
        return []
    changes = []
    if _text(HOSTNAME).strip() != wanted:
        changes.append(HOSTNAME)
        if not check_mode:
            keep_original(HOSTNAME)
            kprov_fs.atomic_write(real(HOSTNAME), f"{wanted}\n".encode(), 0o644)
    live = _text("/proc/sys/kernel/hostname").strip()
    if live != wanted:
        changes.append(f"hostname: {live} -> {wanted}")
        if not check_mode:
            machine.set_hostname(wanted)
    return changes


def _hosts(entries: dict[str, list[str]], check_mode: bool) -> list[str]:
    before = _text(HOSTS)
    lines = [f"{address} {' '.join(names)}\n" for address, names in sorted(entries.items())]
    block = "".join([f"{BEGIN}\n", *lines, f"{END}\n"]) if lines else ""
    after = BLOCK.sub("", before)
    if block:
        after += ("" if after.endswith("\n") or not after else "\n") + block
    if BLOCK.search(before) and block:
        after = BLOCK.sub(lambda _: block, before)  # where it was
    if after == before:
        return []
    if not check_mode:
        keep_original(HOSTS)
        mode = stat.S_IMODE(os.stat(real(HOSTS)).st_mode) if os.path.exists(real(HOSTS)) else 0o644
        kprov_fs.atomic_write(real(HOSTS), after.encode(errors="surrogateescape"), mode)
    return [HOSTS]


def _time_service(machine: Machine, check_mode: bool) -> tuple[str, list[str]]:
    """The time service that runs now (would run), and what was changed for that."""
    units = machine.units(TIME_UNITS + OTHER_TIME_UNITS)
    active = next((unit["Id"] for unit in units if unit["ActiveState"] in ("active", "activating")), None)
    if active:
        return active, []
    installed = [unit["Id"] for unit in units if unit["LoadState"] == "loaded" and unit["Id"] not in OTHER_TIME_UNITS]
    if not installed:
        return "", []
    unit = installed[0]
    if check_mode:
        return unit, [f"enable and start {unit}"]
    machine.systemctl("enable", "--now", "--", unit)
    end = time.monotonic() + START_DEADLINE
    while machine.units((unit,))[0]["ActiveState"] != "active":
        if time.monotonic() >= end:
            return "", [f"enable and start {unit}"]
        time.sleep(POLL)
    return unit, [f"enable and start {unit}"]


def _text(path: str) -> str:
    try:
        with open(real(path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "hostname": {"type": "str", "default": ""},
            "hosts": {"type": "dict", "default": {}},
            "time_sync": {"type": "str", "choices": ["auto", "keep"], "default": "keep"},
        },
        supports_check_mode=True,
    )

    with locked(module, MachineError):
        result = apply(module.params, Machine(command_runner(module)), module.check_mode)
    finish(module, result)


if __name__ == "__main__":
    main()
