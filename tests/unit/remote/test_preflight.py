"""Rules over what the probe found. A cluster that is as it shall be, and new machines that fit, are silent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kprov.errors import Problem
from kprov.phases.catalog import PHASES
from kprov.remote.preflight import preflight
from kprov.remote.rules import RULES
from kprov.remote.state import (
    ClusterState,
    Filesystem,
    HostState,
    Listener,
    OperatingSystem,
    Override,
    PhaseState,
    ProbeResult,
    Unreachable,
    Usage,
)
from kprov.spec.cluster import ClusterSpec
from tests.unit.factories import converged_states, make_spec, make_state

GIB = 2**30
DONE = PhaseState(fingerprint={}, finished="t", dirty=False)


def fresh(spec: ClusterSpec, **fields: Any) -> dict[str, ProbeResult]:
    """New machines; the fields are of the first one."""
    states: dict[str, ProbeResult] = {host.name: make_state(host.name) for host in spec.hosts}
    first = spec.hosts[0].name
    states[first] = make_state(first, **fields)
    return states


def found(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> list[tuple[str, str, str | None]]:
    return [(p.severity, p.code, p.host) for p in preflight(spec, states)]


def only(spec: ClusterSpec, states: Mapping[str, ProbeResult], code: str) -> Problem:
    problems = preflight(spec, states)
    assert [p.code for p in problems] == [code], problems
    return problems[0]


def joined(**cluster: Any) -> dict[str, Any]:
    """Fields of a machine that kprov made a node of the cluster "test"."""
    values = {"joined": True, "ca_sha256": "aa", **cluster}
    return {
        "cluster": ClusterState(**values),
        "records_cluster": "test",
        "phases": {"control_plane": DONE, "worker": DONE},
    }


def test_new_machines_that_fit_are_silent() -> None:
    spec = make_spec(3, 2)
    assert preflight(spec, fresh(spec)) == []


def test_converged_cluster_is_silent() -> None:
    spec = make_spec(3, 2)
    assert preflight(spec, converged_states(spec)) == []


def test_what_only_matters_before_joining_is_no_noise_afterwards() -> None:
    spec = make_spec(1, 0)
    poor = {
        "os": OperatingSystem("debian", "14", "Debian 14"),
        "kernel": "4.18.0",
        "cpus": 1,
        "memory": 2**20,
        "cgroup_version": 1,
        "filesystems": {"/": Filesystem(0, GIB)},
        "kernel_features": {"overlay": False},
        "listeners": (Listener(6443, "::", "kube-apiserver", 1), Listener(10250, "::", "kubelet", 2)),
        "nameservers": ("127.0.0.53",),
        "resolves_itself": False,
        "addresses": ("192.0.2.1",),
    }
    assert preflight(spec, fresh(spec, **poor, **joined())) == []


@pytest.mark.parametrize("kind", ["unreachable", "auth", "host-key", "sudo", "python", "probe"])
def test_host_that_cannot_be_used(kind: str) -> None:
    spec = make_spec(1, 1)
    states = {**fresh(spec), "cp1": Unreachable(kind, "why", "try x"), "w1": Unreachable(kind, "why", "try x")}
    assert found(spec, states) == [("error", kind, "cp1"), ("warning", kind, "w1")]


@pytest.mark.parametrize(
    ("release", "severity"),
    [
        (("debian", "12", ()), None),
        (("debian", "13", ()), None),
        (("ubuntu", "22.04", ("debian",)), None),
        (("ubuntu", "26.04", ("debian",)), None),
        (("rocky", "9.4", ("rhel", "centos", "fedora")), None),
        (("rhel", "10.0", ("fedora",)), None),
        (("centos", "9", ("rhel", "fedora")), None),
        (("ol", "9.3", ("fedora",)), None),
        (("debian", "11", ()), "warning"),
        (("ubuntu", "25.10", ("debian",)), "warning"),
        (("debian", "", ()), "warning"),
        (("almalinux", "8.9", ("rhel", "centos", "fedora")), "warning"),
        (("fedora", "41", ()), "error"),
        (("linuxmint", "22", ("ubuntu", "debian")), "error"),
        (("alpine", "3.20", ()), "error"),
        (("fedora-coreos", "41", ("fedora",)), "error"),
    ],
)
def test_operating_systems(release: tuple[str, str, tuple[str, ...]], severity: str | None) -> None:
    spec = make_spec(1, 0)
    system = OperatingSystem(release[0], release[1], "Some Linux", release[2])
    expected = [(severity, "os-supported", "cp1")] if severity else []
    assert found(spec, fresh(spec, os=system)) == expected


def test_unsupported_system_says_what_is_supported() -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, os=OperatingSystem("alpine", "3", "Alpine Linux v3")), "os-supported")
    assert "Alpine Linux v3" in problem.message
    assert "Debian 12 and 13" in (problem.hint or "")


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"arch": "riscv64"}, "arch", "riscv64"),
        ({"init": "docker-init"}, "init-systemd", "docker-init"),
        ({"cgroup_version": 1}, "cgroup-version", "cgroup v1"),
        ({"kernel": "4.18.0-553.el8"}, "kernel-version", "5.4"),
        ({"kernel_features": {"overlay": True, "br_netfilter": False}}, "kernel-features", "br_netfilter"),
        ({"kernel_features": {"cgroup_memory": False}}, "kernel-features", "memory limits"),
        ({"cpus": 1}, "cpus", "has 1 CPU"),
        ({"memory": 1699 * 2**20}, "memory", "needs 1700 MiB"),
        ({"machine_id": ""}, "machine-id", "no machine-id"),
        ({"nameservers": ("127.0.0.53", "::1")}, "resolver-loopback", "127.0.0.53, ::1"),
        ({"errors": ("nameservers: FileNotFoundError: x",)}, "resolver-loopback", "cannot be read"),
    ],
)
def test_error_on_a_new_machine(fields: dict[str, Any], code: str, words: str) -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, **fields), code)
    assert (problem.severity, problem.host) == ("error", "cp1")
    assert words in problem.message


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"resolves_itself": False}, "resolves-itself"),
        ({"addresses": ("192.0.2.99",)}, "ip-on-host"),
        ({"nameservers": ("127.0.0.53", "192.0.2.1")}, "resolver-loopback"),
        ({"nameservers": ()}, "resolver-loopback"),
        ({"errors": ("listeners: OSError: x",)}, "probe-incomplete"),
    ],
)
def test_warning_on_a_new_machine(fields: dict[str, Any], code: str) -> None:
    spec = make_spec(1, 0)
    assert only(spec, fresh(spec, **fields), code).severity == "warning"


def test_cgroup_v1_names_the_kernel_parameter_and_is_a_warning_when_allowed() -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, cgroup_version=1), "cgroup-version")
    assert "systemd.unified_cgroup_hierarchy=1" in (problem.hint or "")
    allowed = make_spec(1, 0, kubelet_config={"failCgroupV1": False})
    assert only(allowed, fresh(allowed, cgroup_version=1), "cgroup-version").severity == "warning"


def test_what_kubeadm_shall_ignore_is_a_warning() -> None:
    spec = make_spec(1, 0, kubeadm_ignore_preflight_errors=["NumCPU", "Mem", "SystemVerification", "Port-10250"])
    listeners = (Listener(10250, "::", "nginx", 7),)
    poor = fresh(spec, cpus=1, memory=GIB, kernel="5.0.0", listeners=listeners)
    assert {p.severity for p in preflight(spec, poor)} == {"warning"}


def test_nftables_mode_needs_a_newer_kernel() -> None:
    spec = make_spec(1, 0, kube_proxy_mode="nftables")
    only(spec, fresh(spec, kernel="5.10.0"), "kernel-version")
    only(spec, fresh(spec, kernel_features={"nf_tables": False}), "kernel-features")
    assert preflight(spec, fresh(spec, kernel="5.14.0")) == []


def test_worker_needs_less_than_a_control_plane() -> None:
    spec = make_spec(1, 1)
    states = {**fresh(spec), "w1": make_state("w1", cpus=1, memory=950 * 2**20)}
    assert preflight(spec, states) == []


def test_disk_says_need_and_have_and_adds_up_what_shares_a_file_system() -> None:
    spec = make_spec(1, 0)
    paths = ("/", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd")
    enough = {path: Filesystem(9 * GIB, 20 * GIB, "1") for path in paths}
    assert preflight(spec, fresh(spec, filesystems=enough)) == []
    short = {path: Filesystem(8 * GIB, 20 * GIB, "1") for path in paths}
    problem = only(spec, fresh(spec, filesystems=short), "disk-free")
    assert "8.0 GiB free" in problem.message
    assert "needed: 9.0 GiB" in problem.message
    apart = {**short, "/": Filesystem(448 * 2**20, 6 * GIB, "2")}
    assert "0.4 GiB free for /;" in only(spec, fresh(spec, filesystems=apart), "disk-free").message


def test_port_of_somebody_else_is_named_with_its_process() -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, listeners=(Listener(6443, "0.0.0.0", "haproxy", 812),)), "ports")
    assert "haproxy (pid 812)" in problem.message
    unknown = fresh(spec, listeners=(Listener(2379, "0.0.0.0", "", None),))
    assert "unknown process" in only(spec, unknown, "ports").message


def test_ports_of_an_unfinished_run_and_of_other_roles_are_fine() -> None:
    spec = make_spec(1, 1)
    ours = (Listener(6443, "::", "kube-apiserver", 1), Listener(2379, "::", "etcd", 2))
    states = fresh(spec, listeners=ours, phases={"control_plane": replace(DONE, dirty=True)}, records_cluster="test")
    states["w1"] = make_state("w1", listeners=(Listener(2379, "::", "etcd", 3),))
    assert preflight(spec, states) == []


def test_swap_is_a_problem_only_if_it_stays_and_the_kubelet_minds() -> None:
    def codes(**variables: Any) -> list[str]:
        spec = make_spec(1, 0, **variables)
        return [p.code for p in preflight(spec, fresh(spec, swap=("/dev/sda2",)))]

    assert codes(os_swap="off") == []
    assert codes(os_swap="keep") == ["swap"]
    assert codes(os_swap="keep", kubelet_config={"failSwapOn": False}) == []


@pytest.mark.parametrize(("version", "count"), [(1, 1), (2, 0)])
@pytest.mark.parametrize(
    "variables",
    [{"kubelet_swap_behavior": "LimitedSwap"}, {"kubelet_config": {"memorySwap": {"swapBehavior": "LimitedSwap"}}}],
)
def test_limited_swap_needs_cgroup_v2(variables: dict[str, Any], version: int, count: int) -> None:
    spec = make_spec(1, 0, os_swap="keep", kubelet_fail_swap_on=False, **variables)
    found = [p for p in preflight(spec, fresh(spec, cgroup_version=version)) if p.code == "swap"]
    assert len(found) == count


def test_disk_that_must_be_free_can_be_said_per_path() -> None:
    spec = make_spec(workers=0, os_disk_free={"/data": 50, "/": 0.2})
    filesystems = {"/data": Filesystem(49 * GIB, 99 * GIB, "1"), "/": Filesystem(GIB // 2, 6 * GIB, "2")}
    problem = only(spec, fresh(spec, filesystems=filesystems), "disk-free")
    assert problem.message == "49.0 GiB free for /data; needed: 50.0 GiB"


def test_inodes_count_too() -> None:
    spec = make_spec(workers=0)

    def states(free: int, inodes: int) -> Any:
        filesystem = Filesystem(20 * GIB, 20 * GIB, "1", inodes_free=free, inodes=inodes)
        return fresh(spec, filesystems={"/": filesystem, "/var/lib/kubelet": filesystem})

    assert found(spec, states(60_000, 1_000_000)) == []
    assert found(spec, states(0, 0)) == []  # btrfs
    message = only(spec, states(9_000, 100_000), "inodes-free").message
    assert message == "9000 of 100000 inodes free for /, /var/lib/kubelet; needed: 10000"
    assert "needed: 100000" in only(spec, states(60_000, 2_000_000), "inodes-free").message  # kubelet's 5 %


def test_limits_that_are_nearly_used_up_are_named_with_the_culprit() -> None:
    spec = make_spec(workers=0)
    usage = {"inotify_instances": Usage(110, 128, "tail (pid 7) has 90"), "open_files": Usage(10, 1000)}
    problem = only(spec, fresh(spec, usage=usage), "inotify-instances")
    assert problem.severity == "warning"
    assert "110 of 128" in problem.message
    assert "tail (pid 7) has 90" in problem.message
    assert found(spec, fresh(spec, usage={"inotify_instances": Usage(102, 128)})) == []


def test_setting_that_the_next_boot_undoes_is_named_with_its_file() -> None:
    spec = make_spec(workers=0)
    item = Override("net.ipv4.ip_forward", "/etc/sysctl.conf", "0", "1")
    problem = only(spec, fresh(spec, sysctl_overridden=(item,)), "sysctl-overridden")
    assert "/etc/sysctl.conf sets net.ipv4.ip_forward = 0" in problem.message


def test_settings_that_a_node_could_not_take_are_noise_only_in_a_container() -> None:
    spec = make_spec(workers=0)
    unable = {"vm.a": "vm.a = 1: refused: Invalid argument"}
    assert found(spec, fresh(spec, sysctl_not_set=unable, time_service=None)) == []
    assert (
        "vm.a = 1" in only(spec, fresh(spec, sysctl_not_set=unable, time_service="chronyd"), "sysctl-not-set").message
    )


def test_stopped_time_service_is_a_warning() -> None:
    spec = make_spec(workers=0)
    assert found(spec, fresh(spec, time_service="")) == []  # the phase `os` will see to it
    for service in ("chronyd", None):
        assert found(make_spec(workers=0, os_time_sync="keep"), fresh(spec, time_service=service)) == []
    assert "systemctl" in str(
        only(make_spec(workers=0, os_time_sync="keep"), fresh(spec, time_service=""), "time-sync")
    )
    states = converged_states(spec)
    states["cp1"] = replace(states["cp1"], time_service="")
    assert found(spec, states) == [("warning", "time-sync", "cp1")]


def test_clock_is_measured_against_the_other_hosts_not_against_the_controller() -> None:
    spec = make_spec(1, 2)
    skews = {"cp1": 600.0, "w1": 600.5, "w2": 607.0}
    states = {name: make_state(name, clock_skew=skew) for name, skew in skews.items()}
    assert found(spec, states) == [("warning", "clock-skew", "w2")]
    states["w2"] = make_state("w2", clock_skew=560.0)
    problem = only(spec, states, "clock-skew")
    assert problem.severity == "error"
    assert "40 s behind" in problem.message


def test_clones_are_named() -> None:
    spec = make_spec(1, 2)
    states = {**fresh(spec), "w2": make_state("w2", machine_id="id-w1")}
    problem = only(spec, states, "machine-id")
    assert "w1 and w2" in problem.message
    states["w2"] = make_state("w2", hostname="W1")
    problem = only(spec, states, "hostname")
    assert (problem.severity, "w1 and w2" in problem.message) == ("warning", True)


def test_cluster_of_somebody_else() -> None:
    spec = make_spec(1, 0)
    cluster = ClusterState(joined=True, ca_sha256="ab" * 32, server="https://192.0.2.9:6443", static_pods=("etcd",))
    problem = only(spec, fresh(spec, cluster=cluster), "foreign-cluster")
    assert problem.severity == "error"
    for words in ("https://192.0.2.9:6443", "abababab", "etcd"):
        assert words in problem.message
    assert "kubeadm reset" in (problem.hint or "")


def test_prepared_by_kprov_but_joined_by_somebody_else() -> None:
    spec = make_spec(1, 0)
    fields = {**joined(), "phases": {"os": DONE}}
    only(spec, fresh(spec, **fields), "foreign-cluster")


def test_other_cluster_of_kprov() -> None:
    spec = make_spec(1, 0)
    problem = only(spec, fresh(spec, **{**joined(), "records_cluster": "prod"}), "foreign-cluster")
    assert "prod" in problem.message


def test_machine_that_only_was_prepared_for_another_cluster_is_fine() -> None:
    spec = make_spec(1, 0)
    assert preflight(spec, fresh(spec, records_cluster="prod", phases={"os": DONE})) == []


def test_machine_that_lost_its_records_is_ours_by_its_authority() -> None:
    spec = make_spec(1, 1)
    states: dict[str, ProbeResult] = {
        "cp1": make_state("cp1", **joined()),
        "w1": make_state("w1", cluster=ClusterState(joined=True, ca_sha256="aa")),
    }
    assert preflight(spec, states) == []


def test_hosts_of_two_clusters() -> None:
    spec = make_spec(1, 1)
    states: dict[str, ProbeResult] = {
        "cp1": make_state("cp1", **joined()),
        "w1": make_state("w1", **joined(ca_sha256="bb")),
    }
    assert "aa on cp1; bb on w1" in only(spec, states, "ca-mismatch").message


def test_version_of_a_running_cluster_is_not_changed() -> None:
    def codes(wanted: str, **cluster: Any) -> list[str]:
        spec = make_spec(1, 0, kubernetes_version=wanted)
        fields = joined(**cluster)
        return [p.code for p in preflight(spec, fresh(spec, **fields))]

    assert codes("1.36.3", kubelet_version="1.36.3") == []
    assert codes("1.36", kubelet_version="1.36.3") == []
    assert codes("1.36.4", kubelet_version="1.36.3") == ["version-change"]
    assert codes("1.35", kubelet_version="1.36.3") == ["version-change"]
    spec = make_spec(1, 0, kubernetes_version="1.36.4")
    assert preflight(spec, fresh(spec, cluster=ClusterState(kubelet_version="1.36.3"))) == []


def test_errors_come_first() -> None:
    spec = make_spec(1, 0)
    problems = preflight(spec, fresh(spec, resolves_itself=False, cpus=1))
    assert [p.severity for p in problems] == ["error", "warning"]


def test_every_rule_is_a_row_of_the_page_and_the_other_way_round() -> None:
    page = Path("docs/reference/preflight.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE) == [rule.id for rule in RULES]


def test_states_of_the_factory_cover_every_phase() -> None:
    spec = make_spec()
    state = converged_states(spec)["cp1"]
    assert isinstance(state, HostState)
    assert {p.name for p in PHASES if p.hosts != "worker"} >= set(state.phases)
