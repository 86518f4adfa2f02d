"""Each rule: a node that fails it, a node that passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kprov.lint.answer import flags
from kprov.lint.judge import judge
from kprov.lint.record import Node, View
from kprov.lint.rules import RULES
from kprov.lint.wanted import wanted
from kprov.reserve.capacity import Capacity
from kprov.reserve.reservation import profiles
from tests.unit.factories import make_host
from tests.unit.lint.nodes import RESOLV_CONF, facts, good, kernel, row, running, runtime, with_fields

Change = Callable[[Node], Node]
HARD = good().running.kubelet.get("evictionHard")  # type: ignore[union-attr]


def kubelet(**fields: Any) -> Change:
    return lambda node: running(node, **fields)


def machine(**fields: Any) -> Change:
    return lambda node: facts(node, **fields)


def both(*changes: Change) -> Change:
    def change(node: Node) -> Node:
        for one in changes:
            node = one(node)
        return node

    return change


FAILING: list[tuple[str, str, Change, str]] = [
    ("eviction-signals", "warning", kubelet(evictionHard={"memory.available": "100Mi"}), "nodefs.available"),
    (
        "eviction-signals",
        "warning",
        kubelet(evictionHard={**HARD, "nodefs.available": "0%"}),
        "threshold for nodefs.av",
    ),
    ("eviction-grace", "error", kubelet(evictionSoft={"memory.available": "1Gi"}), "does not start"),
    ("image-gc", "warning", kubelet(imageGCHighThresholdPercent=85), "evicted at 85 %"),
    (
        "image-gc",
        "warning",
        both(kubelet(evictionHard={**HARD, "imagefs.available": "25G"})),
        "deleted from 80 % on, but pods are evicted at 75 %",
    ),
    ("image-gc", "warning", kubelet(imageGCHighThresholdPercent=100), "never deleted"),
    ("image-gc", "error", kubelet(imageGCLowThresholdPercent=80), "does not start"),
    ("reservation", "warning", kubelet(kubeReserved={}, systemReserved={}), "no memory is reserved"),
    ("reservation", "warning", kubelet(kubeReserved={"cpu": "3", "memory": "1Gi"}), "% of the cpu"),
    ("reservation", "error", kubelet(kubeReserved={"memory": "8Gi"}), "all of the memory"),
    (
        "static-managers",
        "error",
        kubelet(cpuManagerPolicy="static", kubeReserved={}, systemReserved={"cpu": "0"}),
        "static CPUs",
    ),
    ("static-managers", "error", kubelet(memoryManagerPolicy="Static"), "reservedMemory"),
    ("reserved-cgroup", "error", kubelet(enforceNodeAllocatable=["pods", "kube-reserved"]), "is not set"),
    (
        "reserved-cgroup",
        "error",
        kubelet(enforceNodeAllocatable=["kube-reserved-compressible"], kubeReservedCgroup="/kube"),
        "/kube does not exist",
    ),
    ("pod-pids", "warning", kubelet(podPidsLimit=-1), "no limit"),
    ("pod-pids", "warning", kubelet(podPidsLimit=997_000), "all pods together have 997000"),
    ("pod-pids", "warning", lambda node: kernel(node, kernel__pid_max="32768"), "more than kernel.pid_max 32768"),
    ("max-pods", "error", kubelet(maxPods=254), "there are 253 addresses"),
    ("read-only-port", "warning", kubelet(readOnlyPort=10255), "port 10255"),
    ("anonymous-auth", "warning", kubelet(authentication={"anonymous": {"enabled": True}}), "let in"),
    ("authorization-mode", "error", kubelet(authorization={"mode": "AlwaysAllow"}), "every container"),
    ("rotate-certificates", "warning", kubelet(rotateCertificates=False), "after a year"),
    ("swap", "error", machine(swap=("/dev/sda2",)), "/dev/sda2"),
    (
        "kernel-defaults",
        "error",
        both(kubelet(protectKernelDefaults=True), lambda node: kernel(node, vm__overcommit_memory="0")),
        "vm.overcommit_memory 0, not 1",
    ),
    ("inotify", "warning", lambda node: kernel(node, fs__inotify__max_user_instances="128"), "128 is below 512"),
    ("resolv-conf", "error", machine(nameservers={RESOLV_CONF: ("127.0.0.53",)}), "CoreDNS stops"),
    ("resolv-conf", "warning", machine(nameservers={RESOLV_CONF: ("127.0.0.53", "192.0.2.53")}), "pod itself"),
    ("shutdown-delay", "warning", lambda node: replace(node, running=replace(node.running, shutdown_delay=5)), "5 s"),
    (
        "runtime-responds",
        "error",
        lambda node: replace(node, running=replace(node.running, sockets={"/run/a.sock": "gives no answer"})),
        "/run/a.sock gives no answer",
    ),
    ("cgroup-driver", "error", kubelet(cgroupDriver="cgroupfs"), "two managers"),
    ("cgroup-driver", "error", lambda node: runtime(node, cgroup_driver="cgroupfs"), "two managers"),
    ("container-logs", "warning", kubelet(containerLogMaxSize="-1"), "not rotated"),
    ("container-logs", "warning", kubelet(containerLogMaxSize="3Gi"), "more than 10 % of the disk"),
    (
        "container-logs",
        "warning",
        lambda node: runtime(node, name="docker", log_driver="json-file", rotates=False),
        "max-size",
    ),
    (
        "container-logs",
        "warning",
        lambda node: runtime(node, name="docker", log_driver="journald", rotates=True),
        "`kubectl logs`",
    ),
    ("kubelet-differs", "warning", kubelet(maxPods=50, podPidsLimit=1), "2 fields not as in the inventory"),
    ("kubelet-differs", "warning", machine(damaged={"/a.conf": "bad"}), "/a.conf: bad"),
    (
        "kubelet-not-restarted",
        "warning",
        lambda node: replace(node, running=with_fields(node.running, maxPods=50)),
        "1 field of the files not in force",
    ),
]
PASSING: list[tuple[str, Change]] = [
    ("image-gc", kubelet(evictionHard={**HARD, "imagefs.available": "1Gi"})),
    ("static-managers", kubelet(cpuManagerPolicy="static")),
    ("static-managers", kubelet(memoryManagerPolicy="Static", reservedMemory=[{"numaNode": 0}])),
    (
        "reserved-cgroup",
        both(
            kubelet(enforceNodeAllocatable=["kube-reserved"], kubeReservedCgroup="/kube.slice"),
            machine(cgroups=frozenset({"/kube.slice"})),
        ),
    ),
    (
        "eviction-grace",
        kubelet(evictionSoft={"memory.available": "1Gi"}, evictionSoftGracePeriod={"memory.available": "1m"}),
    ),
    ("swap", both(kubelet(failSwapOn=False), machine(swap=("/dev/sda2",)))),
    ("kernel-defaults", kubelet(protectKernelDefaults=True)),
    ("container-logs", lambda node: runtime(node, name="docker", log_driver="json-file", rotates=True)),
    ("resolv-conf", machine(nameservers={})),
    ("kubelet-not-restarted", kubelet(evictionPressureTransitionPeriod="5m0s", kubeReserved={"memory": "1024Mi"})),
]


@pytest.mark.parametrize(("rule", "verdict", "change", "said"), FAILING)
def test_it_finds(rule: str, verdict: str, change: Change, said: str) -> None:
    found = row(rule, change(good()))
    assert (found.verdict, found.wished) == (verdict, False)
    assert said in found.message
    assert found.hint


@pytest.mark.parametrize(("rule", "change"), PASSING)
def test_it_passes(rule: str, change: Change) -> None:
    assert row(rule, change(good())).verdict == "ok"


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_a_node_with_every_default_passes_and_every_rule_has_a_failing_node(rule: str) -> None:
    assert row(rule, good()).verdict == "ok"
    assert rule in {failing[0] for failing in FAILING}


def test_a_value_that_waits_for_a_restart_is_found_and_told_apart() -> None:
    node = replace(good(), file=with_fields(good().file, readOnlyPort=10255))
    found = row("read-only-port", node)
    assert (found.spec, found.file, found.running) == ("0", "10255", "0")
    assert found.message.endswith("from the next start on")


def test_what_the_inventory_asks_for_is_said_so() -> None:
    found = row("read-only-port", good(kubelet_config={"readOnlyPort": 10255}))
    assert found.wished
    assert found.message.endswith("the inventory wants it so")


def test_with_the_api_dead_files_are_judged_and_running_values_are_not_asked() -> None:
    node = replace(
        good(),
        running=View(kernel=good().running.kernel, sockets=good().running.sockets),
        unasked="the API server does not answer",
    )
    rows = {found.rule: found for found in judge([node])}
    assert {found.verdict for found in rows.values()} == {"ok"}
    assert rows["max-pods"].running == "not asked"
    assert rows["inotify"].running == "instances 8192, watches 1048576"
    broken = row("max-pods", replace(node, file=with_fields(node.file, maxPods=300)))
    assert broken.verdict == "error"
    young = row("kubelet-not-restarted", facts(node, written={"/etc/kubernetes/kubelet.conf.d/9.conf": 1010.0}))
    assert "9.conf" in young.message


def test_a_node_without_a_kubelet_is_not_judged() -> None:
    node = replace(good(), file=View(), running=View(), unasked="no kubelet is running")
    found = row("max-pods", node)
    assert (found.verdict, found.message) == ("unknown", "no kubelet is running")


def test_the_file_with_the_last_word_is_named() -> None:
    node = facts(running(good(), maxPods=50), origins={("maxPods",): "/etc/kubernetes/kubelet.conf.d/90-foreign.conf"})
    found = row("kubelet-differs", node)
    assert "90-foreign.conf" in found.message
    assert (found.spec, found.file, found.running) == ("maxPods 110", "maxPods 50", "maxPods 50")


def test_a_flag_that_wins_is_named() -> None:
    node = replace(good(), running=with_fields(good().running, maxPods=50))
    found = row("kubelet-not-restarted", facts(node, flags=flags(["--v=2", "--max-pods=50"])))
    assert found.message == "1 field of the files not in force: the kubelet's flags win: --max-pods=50"


def test_fields_that_kubeadm_leaves_to_the_default_are_no_difference() -> None:
    base = "/var/lib/kubelet/config.yaml"
    logging = {"flushFrequency": 0, "options": {"text": {"infoBufferSize": "0"}}}
    node = replace(
        good(),
        file=with_fields(good().file, logging=logging, syncFrequency="0s", cgroupDriver="cgroupfs"),
        running=with_fields(good().running, logging={"flushFrequency": "5s"}, syncFrequency="1m0s"),
    )
    origins = {("logging", "flushFrequency"): base, ("syncFrequency",): base}
    assert row("kubelet-not-restarted", facts(node, origins=origins)).verdict == "ok"


@pytest.mark.parametrize("profile", [name for name in profiles() if name != "static"])
@pytest.mark.parametrize("gib", [0.93, 2, 4, 16, 256])
def test_no_profile_withholds_too_much(profile: str, gib: float) -> None:
    host = make_host("w1", "kube_node", kubelet_reservation_profile=profile)
    size = Capacity(1, int(gib * 2**30), 0, 10**11, 10**11, 30_000)
    node = replace(good(), spec=wanted(host, size), file=View(), running=View())
    assert row("reservation", facts(node, capacity=size)).found is False


def test_skipped_rules_say_nothing() -> None:
    rows = judge([good()], skip={"swap"})
    assert len(rows) == len(RULES) - 1
    assert "swap" not in {found.rule for found in rows}


def test_every_rule_is_a_section_of_the_page_and_the_other_way_round() -> None:
    page = Path("docs/reference/lint.md").read_text()
    assert re.findall(r"^### `([a-z-]+)`$", page, re.MULTILINE) == [rule.id for rule in RULES]
    sections = re.split(r"^### .*$", page, flags=re.MULTILINE)[1:]
    for rule, section in zip(RULES, sections, strict=True):
        for word in ("**What.**", "**Why.**", "**Fix.**"):
            assert word in section, f"{rule.id} lacks {word}"
