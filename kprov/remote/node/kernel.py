"""What the kernel can do: cgroups, namespaces, modules. A feature that nothing tells about is left out, not false."""

from __future__ import annotations

import gzip
import os

from kprov.remote.node import read

CGROUP = "/sys/fs/cgroup"
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")

# Feature: (paths of which one exists when it is loaded or built in, options of the kernel configuration).
MODULES = {
    "overlay": (("/sys/module/overlay",), ("OVERLAY_FS",)),
    "br_netfilter": (("/sys/module/br_netfilter", "/proc/sys/net/bridge"), ("BRIDGE_NETFILTER",)),
    "nf_conntrack": (("/sys/module/nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"), ("NF_CONNTRACK",)),
    "nf_tables": (("/sys/module/nf_tables",), ("NF_TABLES",)),
    "ip_vs": (("/sys/module/ip_vs", "/proc/net/ip_vs"), ("IP_VS",)),
}


def cgroup_version() -> int:
    """2 if the unified hierarchy is what systemd and the kubelet use, else 1."""
    return 2 if read.exists(CGROUP + "/cgroup.controllers") else 1


def features() -> dict[str, bool]:
    """Feature to whether the kernel has it, now or as a loadable module."""
    found = {f"cgroup_{name}": name in controllers() for name in CONTROLLERS}
    found.update((f"namespace_{name}", read.exists(f"/proc/self/ns/{name}")) for name in NAMESPACES)
    unsure = []
    for name, (signs, _) in MODULES.items():
        if any(read.exists(path) for path in signs):
            found[name] = True
        else:
            unsure.append(name)
    return {**found, **_on_disk(unsure)}


def controllers() -> set[str]:
    """cgroup controllers that are switched on."""
    if cgroup_version() == 2:
        return set(read.text(CGROUP + "/cgroup.controllers").split())
    rows = [line.split() for line in read.text("/proc/cgroups").splitlines() if not line.startswith("#")]
    return {row[0] for row in rows if row[3] == "1"}


def _on_disk(names: list[str]) -> dict[str, bool]:
    """The same for modules that are not loaded: from the lists of modules, else from the kernel's configuration."""
    if not names:
        return {}
    directory = "/lib/modules/" + os.uname().release
    lists = [read.text_or(directory + "/modules.dep"), read.text_or(directory + "/modules.builtin")]
    found = {name: True for name in names if any(f"/{name}.ko" in modules for modules in lists)}
    rest = [name for name in names if name not in found]
    if not rest:
        return found
    configuration = _configuration()
    for name in rest:
        options = MODULES[name][1]
        if configuration:
            # =m without a file in modules.dep: the module is not installed (a package linux-modules-extra is missing).
            values = ("=y", "=m") if not lists[0] else ("=y",)
            found[name] = any(f"\nCONFIG_{o}{v}\n" in configuration for o in options for v in values)
        elif lists[0]:
            found[name] = False
    return found


def _configuration() -> str:
    release = os.uname().release
    on_disk = read.text_or("/boot/config-" + release) or read.text_or(f"/lib/modules/{release}/config")
    if on_disk:
        return "\n" + on_disk
    try:
        with gzip.open(read.real("/proc/config.gz"), "rt", encoding="ascii", errors="replace") as file:
            return "\n" + file.read()
    except OSError:
        return ""
