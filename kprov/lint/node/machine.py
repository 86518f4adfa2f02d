"""What the kubelet's configuration has to fit: swap, name servers, cgroups, logind."""

from __future__ import annotations

import re
from typing import Any

from kprov.remote.node import commands, kernel, network, read
from kprov.remote.node.processes import flag

# The kubelet's default, and systemd-resolved's real file, which kubeadm writes into the kubelet's configuration.
RESOLV_CONF = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
LOGIND = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "InhibitDelayMaxUSec"]
TIMEOUT = 5.0  # seconds


def look(kubelet_files: list[str], args: list[str]) -> dict[str, Any]:
    """swap: areas in use; nameservers: resolv.conf to its servers; cgroups: reserved ones that exist.

    shutdown_delay: {"live": microseconds or None, "file": value of InhibitDelayMaxSec in logind's files or None}.
    """
    return {
        "swap": [line.split()[0] for line in read.text_or("/proc/swaps").splitlines()[1:]],
        "nameservers": _nameservers(kubelet_files, args),
        "cgroups": [name for name in _reserved_cgroups(kubelet_files) if _exists(name)],
        "shutdown_delay": {"live": _live_delay(), "file": _file_delay()},
    }


def _nameservers(kubelet_files: list[str], args: list[str]) -> dict[str, list[str]]:
    named = {found.strip("\"'") for text in kubelet_files for found in re.findall(r"^resolvConf:\s*(\S+)", text, re.M)}
    paths = {*RESOLV_CONF, *named, flag(args, "resolv-conf") or ""} - {""}
    return {path: network.nameservers(path) for path in sorted(paths) if read.exists(path)}


def _reserved_cgroups(kubelet_files: list[str]) -> set[str]:
    found = re.findall(r"^(?:kube|system)ReservedCgroup:\s*(\S+)", "\n".join(kubelet_files), re.M)
    return {name.strip("\"'") for name in found}


def _exists(cgroup: str) -> bool:
    """The kubelet's name to systemd's: /kube -> kube.slice; a name that ends in .slice is taken as it is."""
    name = cgroup.strip("/")
    names = {name, name + ".slice"}
    roots = [kernel.CGROUP] if kernel.cgroup_version() == 2 else [f"{kernel.CGROUP}/{c}" for c in kernel.CONTROLLERS]
    return all(any(read.exists(f"{root}/{name}") for name in names) for root in roots)


def _live_delay() -> int | None:
    busctl = commands.find("busctl")
    if busctl is None or not read.exists("/run/systemd/inhibit"):  # logind does not run: asking would start it
        return None
    said = commands.output([busctl, "get-property", *LOGIND], TIMEOUT)
    number = (said or "").strip().rpartition(" ")[2]
    return int(number) if number.isdigit() else None


def _file_delay() -> str | None:
    analyze = commands.find("systemd-analyze")
    text = commands.output([analyze, "cat-config", "systemd/logind.conf"], TIMEOUT) if analyze else None
    values = re.findall(r"^\s*InhibitDelayMaxSec\s*=\s*(.*?)\s*$", text or "", re.M)
    return values[-1] or None if values else None
