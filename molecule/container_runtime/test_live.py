"""What phase container_runtime must have done: a containerd that runs with what is on the disk."""

from __future__ import annotations

import pytest
from testinfra.host import Host

PROCESS = "/proc/$(systemctl show -P MainPID containerd)"

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "containerd runs": ("systemctl is-active containerd", "active"),
    "a boot starts it": ("systemctl is-enabled containerd", "enabled"),
    "it did not crash": ("systemctl show -P NRestarts containerd", "0"),
    "containers survive its restart": ("systemctl show -P KillMode containerd", "process"),
    "containers' cgroups are its own": ("systemctl show -P Delegate containerd", "yes"),
    "the kubelet's side of it answers": ("ctr plugins ls | awk '$2 == \"cri\" {print $NF}'", "ok"),
    "systemd manages cgroups": ("containerd config dump | awk '/SystemdCgroup/ {print $3}'", "true"),
    "it has read this configuration": (f"[ /etc/containerd/config.toml -ot {PROCESS} ] && echo yes", "yes"),
    "runc is a program": ("runc --version | head -c 13", "runc version "),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^container_runtime", "container_runtime.json"),
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


def test_it_may_open_as_many_files_as_its_unit_says(host: Host) -> None:
    """Where systemd itself may not raise limits (no CAP_SYS_RESOURCE), the highest that it has to give."""
    command = "awk '/Max open files/ {print $5}' %s/limits"
    wanted, given, systemd_has = (
        int(host.check_output(read))
        for read in ("systemctl show -P LimitNOFILE containerd", command % PROCESS, command % "/proc/1")
    )
    assert wanted == 1048576
    assert given >= min(wanted, systemd_has)
