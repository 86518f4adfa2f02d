"""What machine this is: operating system, identity, size. From /proc, /sys and /etc."""

from __future__ import annotations

import os
import shlex
import time
from typing import Any

from kprov.remote.node import filesystem, read

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Vendors in the DMI tables of virtual machines.
HYPERVISORS = {
    "QEMU": "kvm",
    "VMware, Inc.": "vmware",
    "innotek GmbH": "virtualbox",
    "Microsoft Corporation": "hyperv",
    "Xen": "xen",
    "Amazon EC2": "amazon",
    "Google": "google",
}


def identity() -> dict[str, Any]:
    """Names and ids of the machine, its kernel and process 1; `time` in seconds since the epoch."""
    uname = os.uname()
    return {
        "hostname": read.text_or("/proc/sys/kernel/hostname").strip() or uname.nodename,
        "machine_id": read.text_or("/etc/machine-id").strip(),
        "boot_id": read.text_or("/proc/sys/kernel/random/boot_id").strip(),
        "time": time.time(),
        "arch": ARCHITECTURES.get(uname.machine, uname.machine),
        "kernel": uname.release,
        "init": read.text_or("/proc/1/comm").strip(),
        "virtualization": virtualization(),
    }


def operating_system() -> dict[str, Any]:
    """/etc/os-release. Raises OSError if there is none."""
    values = {}
    path = "/etc/os-release" if read.exists("/etc/os-release") else "/usr/lib/os-release"
    for line in read.text(path).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            words = shlex.split(value)
            values[name.strip()] = words[0] if words else ""
    return {
        "id": values.get("ID", "linux"),
        "version_id": values.get("VERSION_ID", ""),
        "pretty_name": values.get("PRETTY_NAME", values.get("NAME", "")),
        "id_like": values.get("ID_LIKE", "").split(),
    }


def container() -> str:
    """The engine whose container this machine is, empty if it is none."""
    return read.text_or("/run/systemd/container").strip() or ("docker" if read.exists("/.dockerenv") else "")


def virtualization() -> str:
    """Container engine or hypervisor, "vm" for an unknown one, "none" on bare metal."""
    if engine := container():
        return engine
    vendor = read.text_or("/sys/class/dmi/id/sys_vendor").strip()
    if vendor in HYPERVISORS:
        return HYPERVISORS[vendor]
    return "vm" if " hypervisor" in read.text_or("/proc/cpuinfo") else "none"


def resources(paths: list[str]) -> dict[str, Any]:
    """CPUs this machine may use, bytes of memory, swap areas, file systems that hold the paths."""
    memory = next(line for line in read.text("/proc/meminfo").splitlines() if line.startswith("MemTotal:"))
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory": int(memory.split()[1]) * 1024,
        "swap": [line.split()[0] for line in read.text_or("/proc/swaps").splitlines()[1:]],
        "filesystems": {path: filesystem.filesystem(path) for path in paths},
    }
