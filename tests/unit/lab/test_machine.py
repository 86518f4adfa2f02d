"""Detection, from the files of two machines on disk."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kprov.errors import LabError
from kprov.lab.machine import detect

MACHINES = Path(__file__).parent / "machines"


def test_a_machine_with_cgroup_v1_that_withholds_sys_resource() -> None:
    machine = detect(MACHINES / "cgroup-v1-without-sys-resource")

    assert machine.cgroup == "v1"  # although it also mounts cgroup2, under unified/
    assert machine.missing_capabilities == ("SYS_RESOURCE",)
    assert "SYS_ADMIN" in machine.capabilities
    assert "CHECKPOINT_RESTORE" in machine.capabilities
    assert not machine.privileged_works
    assert not machine.sys_resource
    assert not machine.swap
    assert not machine.ip_vs
    assert not machine.modules
    assert machine.kernel_config
    assert machine.devices == ()
    assert machine.resolvers == ("192.0.2.53",)
    assert machine.routes == (IPv4Network("192.0.2.0/24"), IPv4Network("172.17.0.0/16"))


def test_a_plain_debian_with_cgroup_v2_swap_and_systemd_resolved() -> None:
    machine = detect(MACHINES / "cgroup-v2-full")

    assert machine.cgroup == "v2"
    assert machine.missing_capabilities == ()
    assert machine.privileged_works
    assert machine.sys_resource
    assert machine.swap
    assert machine.ip_vs
    assert machine.modules
    assert not machine.kernel_config
    assert machine.devices == ("/dev/kmsg", "/dev/fuse")
    assert machine.resolvers == ("198.51.100.53", "2001:db8::53")  # not the stub 127.0.0.53
    assert machine.routes == ()


def test_not_linux_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="needs Linux"):
        detect(tmp_path)
