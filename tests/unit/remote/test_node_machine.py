from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from kprov.remote.node import commands, filesystem, kernel, machine, network, processes
from tests.unit.remote.conftest import put, script


def test_os_release_with_quotes_and_comments(node: Path) -> None:
    put(
        node,
        "/etc/os-release",
        '# c\nNAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID=\'9.4\'\n',
    )
    assert machine.operating_system() == {
        "id": "rocky",
        "version_id": "9.4",
        "pretty_name": "Rocky Linux",
        "id_like": ["rhel", "centos", "fedora"],
    }


def test_filesystem_of_a_path_that_does_not_exist_yet(node: Path) -> None:
    (node / "var").mkdir()
    assert filesystem.filesystem("/var/lib/kubelet/x")["device"] == str((node / "var").stat().st_dev)


def test_kind_of_a_filesystem_is_that_of_its_device(node: Path) -> None:
    device = node.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    other = "22 1 0:5 / /proc rw - proc proc rw\n"
    put(node, "/proc/self/mountinfo", f"{other}23 1 {number} /a /b rw shared:1 master:2 - ext4 /dev/vda1 rw\n")
    assert filesystem.filesystem("/")["kind"] == "ext4"
    put(node, "/proc/self/mountinfo", other)
    assert filesystem.filesystem("/")["kind"] == ""


@pytest.mark.parametrize(("flags", "kind"), [(1 << 16, "xfs"), (0xFFFF & ~(1 << 16), "xfs, ftype=0")])
def test_xfs_says_whether_entries_have_a_type(
    node: Path, monkeypatch: pytest.MonkeyPatch, flags: int, kind: str
) -> None:
    def answer(descriptor: int, request: int, geometry: bytearray) -> int:
        assert request == 0x80705864
        struct.pack_into("I", geometry, 92, flags)
        return 0

    monkeypatch.setattr("fcntl.ioctl", answer)
    device = node.stat().st_dev
    put(node, "/proc/self/mountinfo", f"23 1 {os.major(device)}:{os.minor(device)} / / rw - xfs /dev/vda1 rw\n")
    assert filesystem.filesystem("/")["kind"] == kind


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"/run/systemd/container": "lxc\n"}, "lxc"),
        ({"/.dockerenv": ""}, "docker"),
        ({"/sys/class/dmi/id/sys_vendor": "QEMU\n"}, "kvm"),
        ({"/proc/cpuinfo": "flags : fpu hypervisor lahf\n"}, "vm"),
        ({}, "none"),
    ],
)
def test_virtualization(node: Path, files: dict[str, str], kind: str) -> None:
    for path, text in files.items():
        put(node, path, text)
    assert machine.virtualization() == kind


def test_cgroup_v2_controllers(node: Path) -> None:
    put(node, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    assert kernel.cgroup_version() == 2
    assert kernel.controllers() >= {"cpu", "memory", "pids"}


def test_cgroup_v1_controllers_that_are_switched_off(node: Path) -> None:
    put(node, "/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t2\t1\nmemory\t0\t1\t0\n")
    assert kernel.cgroup_version() == 1
    assert kernel.controllers() == {"cpu"}


def modules(node: Path, dep: str, builtin: str = "", config: str = "") -> dict[str, bool]:
    import os

    directory = f"/lib/modules/{os.uname().release}"
    put(node, "/sys/fs/cgroup/cgroup.controllers", "cpu")
    if dep:
        put(node, directory + "/modules.dep", dep)
    put(node, directory + "/modules.builtin", builtin)
    if config:
        put(node, f"/boot/config-{os.uname().release}", config)
    return kernel.features()


def test_loadable_and_built_in_modules_count(node: Path) -> None:
    found = modules(node, "kernel/fs/overlayfs/overlay.ko.xz:\n", "kernel/net/bridge/br_netfilter.ko\n")
    assert (found["overlay"], found["br_netfilter"], found["ip_vs"]) == (True, True, False)


def test_module_in_the_configuration_that_is_not_installed_does_not_count(node: Path) -> None:
    found = modules(node, "kernel/x.ko:\n", "", "CONFIG_BRIDGE_NETFILTER=m\nCONFIG_NF_TABLES=y\n")
    assert (found["br_netfilter"], found["nf_tables"]) == (False, True)


def test_feature_that_nothing_tells_about_is_left_out(node: Path) -> None:
    assert "br_netfilter" not in modules(node, "")


def test_loaded_module_counts(node: Path) -> None:
    put(node, "/proc/sys/net/bridge/bridge-nf-call-iptables", "1")
    assert modules(node, "")["br_netfilter"] is True


def test_pods_inherit_the_real_file_of_systemd_resolved(node: Path) -> None:
    put(node, "/etc/resolv.conf", "nameserver 127.0.0.53\n")
    assert network.nameservers("") == ["127.0.0.53"]
    put(node, "/run/systemd/resolve/resolv.conf", "# c\nsearch x\nnameserver 192.0.2.1\n  nameserver 2001:db8::1\n")
    assert network.nameservers("") == ["192.0.2.1", "2001:db8::1"]
    assert network.nameservers("/etc/resolv.conf") == ["127.0.0.53"]
    with pytest.raises(OSError, match="other"):
        network.nameservers("/etc/other")


def test_addresses(node: Path) -> None:
    trie = """Main:
  +-- 10.0.0.0/8 3 0 5
     |-- 10.1.0.5
        /32 host LOCAL
     |-- 10.1.0.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
"""
    put(node, "/proc/net/fib_trie", trie)
    inet6 = "20010db8000000000000000000000001 02 40 00 80 eth0\nfe800000000000000000000000000001 02 40 20 80 eth0\n"
    put(node, "/proc/net/if_inet6", inet6)
    assert network.addresses() == ["10.1.0.5", "2001:db8::1"]


def test_listeners_with_their_process(node: Path) -> None:
    head = "  sl  local_address rem_address   st ...\n"
    listen = "   0: 0100007F:192B 00000000:0000 0A 0:0 00:0 0 0 0 4242 1 0\n"
    other = "   1: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 77 1 0\n"
    established = "   2: 0100007F:192B 0100007F:0001 01 0:0 00:0 0 0 0 99 1 0\n"
    put(node, "/proc/net/tcp", head + listen + other + established)
    put(node, "/proc/net/tcp6", head + "   0: 00000000000000000000000001000000:192B 0:0 0A 0:0 00:0 0 0 0 43 1 0\n")
    put(node, "/proc/17/comm", "kube-apiserver-\n")
    put(node, "/proc/17/cmdline", "/usr/bin/kube-apiserver-long\0--x\0")
    (node / "proc/17/fd").mkdir()
    (node / "proc/17/fd/3").symlink_to("socket:[4242]")
    assert network.listeners([6443]) == [
        {"port": 6443, "address": "127.0.0.1", "process": "kube-apiserver-long", "pid": 17},
        {"port": 6443, "address": "::1", "process": "", "pid": None},
    ]


def test_host_that_is_in_etc_hosts_resolves_itself_without_dns(node: Path) -> None:
    put(node, "/proc/sys/kernel/hostname", "n1.invalid\n")
    assert not network.resolves_itself()
    put(node, "/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 x n1.invalid # comment\n")
    assert network.resolves_itself()


def test_use_of_limits(node: Path) -> None:
    put(node, "/proc/sys/fs/file-nr", "1200\t0\t9223372036854775807\n")
    put(node, "/proc/loadavg", "0.1 0.2 0.3 2/345 999\n")
    put(node, "/proc/sys/kernel/pid_max", "32768\n")
    put(node, "/proc/sys/fs/inotify/max_user_instances", "128\n")
    for pid, name, count in ((7, "small", 1), (8, "greedy", 3)):
        put(node, f"/proc/{pid}/comm", f"{name}\n")
        (node / f"proc/{pid}/fd").mkdir()
        for descriptor in range(count):
            (node / f"proc/{pid}/fd/{descriptor}").symlink_to("anon_inode:inotify")
        (node / f"proc/{pid}/fd/99").symlink_to("socket:[1]")
    assert processes.usage() == {
        "inotify_instances": {"used": 4, "limit": 128, "top": "greedy (pid 8) has 3"},
        "open_files": {"used": 1200, "limit": 9223372036854775807},
        "processes": {"used": 345, "limit": 32768},
    }


def test_program_that_keeps_the_clock(node: Path) -> None:
    put(node, "/proc/7/comm", "ntpdate\n")
    assert processes.time_service() == ""
    put(node, "/proc/8/comm", "systemd-timesyn\n")
    assert processes.time_service() == "systemd-timesyn"


def test_missing_commands(node: Path) -> None:
    put(node, "/usr/sbin/ethtool", "not executable")
    (node / "sbin").mkdir()
    script(node / "sbin/ip", "#!/bin/sh\n")
    assert commands.missing(["ip", "ethtool", "socat"]) == ["ethtool", "socat"]


def test_firewalls_that_are_installed(node: Path) -> None:
    assert commands.firewalls() == []
    (node / "usr/sbin").mkdir(parents=True)
    script(node / "usr/sbin/ufw", "#!/bin/sh\n")
    assert commands.firewalls() == ["ufw"]
