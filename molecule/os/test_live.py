"""What phase os must have done: the running kernel, and what it will be after a boot."""

from __future__ import annotations

import pytest
from testinfra.host import Host

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "packets are forwarded": ("cat /proc/sys/net/ipv4/ip_forward", "1"),
    "bridged IPv4 passes iptables": ("cat /proc/sys/net/bridge/bridge-nf-call-iptables", "1"),
    "bridged IPv6 passes iptables": ("cat /proc/sys/net/bridge/bridge-nf-call-ip6tables", "1"),
    "swap is off": ("tail -n +2 /proc/swaps", ""),
    "a boot loads the modules": (
        "systemd-analyze cat-config modules-load.d | grep -xE 'overlay|br_netfilter' | sort",
        "br_netfilter\noverlay",
    ),
    "a boot switches forwarding on": (
        r"systemd-analyze cat-config sysctl.d | grep -oP '^net.ipv4.ip_forward *= *\K.*' | tail -n 1",
        "1",
    ),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^os", "os.json"),
}

# The machine's own value may be higher, and stays.
AT_LEAST = {
    "/proc/sys/fs/inotify/max_user_instances": 8192,
    "/proc/sys/fs/inotify/max_user_watches": 1048576,
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


@pytest.mark.parametrize("path", AT_LEAST)
def test_live_at_least(host: Host, path: str) -> None:
    assert int(host.check_output("cat %s", path)) >= AT_LEAST[path]


@pytest.mark.parametrize("command", ["conntrack", "ethtool", "ip", "iptables", "modprobe", "mount", "socat"])
def test_command_is_there(host: Host, command: str) -> None:
    assert host.run("command -v %s", command).succeeded
