"""kprov reserve: the form of its JSON, which scripts rely on, and what it says to people."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from kprov.commands import reserve as command
from kprov.commands.context import Observed, Options
from kprov.commands.reserve import WhatIf, reserve_inventory, reserve_machine
from kprov.errors import ConnectError, ExitCode, InputError
from kprov.remote.state import Filesystem, ProbeResult, Unreachable
from kprov.reserve.capacity import Capacity
from kprov.spec.cluster import ClusterSpec
from kprov.ui.result import Result
from tests.unit.factories import make_spec, make_state

GIB = 2**30
SMALL = Capacity(2, 4 * GIB, ephemeral_storage=40 * GIB, image_storage=40 * GIB, pids=30000)
BIG = Capacity(16, 64 * GIB, ephemeral_storage=40 * GIB, image_storage=10_000 * GIB, pids=500000)


def said(result: Result) -> str:
    console = Console(file=io.StringIO(), width=160)
    result.render(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def give(spec: ClusterSpec, states: Mapping[str, ProbeResult]) -> None:
        monkeypatch.setattr(command, "observe", lambda options: Observed(spec, states, []))

    return give


def test_machine_that_is_in_no_inventory() -> None:
    result = reserve_machine("8", "32Gi", None, WhatIf("aks", 30))
    (host,) = result.data["hosts"]
    assert host["kube_reserved"] == {"cpu": "180m", "memory": "650Mi", "ephemeral_storage": "1Gi", "pid": "2000"}
    assert host["allocatable"] == {"cpu": "7720m", "memory": "31762Mi", "pods": "30"}
    assert list(host["profiles"]) == ["gke", "eks", "aks", "static"]
    text = said(result)
    assert "20 MiB for each of 30 pods  (600.0 MiB)" in text
    assert re.search(r"= Allocatable +31762Mi", text)
    assert "aks*" in text


@pytest.mark.parametrize(("cpu", "memory"), [("x", "32Gi"), ("8", "32GB"), ("0", "32Gi"), ("1.5", "32Gi")])
def test_wrong_numbers_of_a_machine_are_named(cpu: str, memory: str) -> None:
    with pytest.raises(InputError, match=r"--(cpu|memory) "):
        reserve_machine(cpu, memory, None, WhatIf())


def test_each_host_by_its_own_size_in_the_form_that_scripts_rely_on(observed) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(1, 1)
    disks = {"/var/lib/kubelet": Filesystem(1, 40 * GIB, "8:1"), "/var/lib/containerd": Filesystem(1, 99 * GIB, "8:16")}
    variables = {**spec.hosts[1].variables, "container_runtime_root": "/var/lib/containerd"}
    spec.hosts[1].variables.update(variables)
    observed(spec, {"cp1": make_state("cp1", capacity=SMALL), "w1": make_state("w1", capacity=BIG, filesystems=disks)})
    result = reserve_inventory(Options(inventory=Path("inventory.ini")), WhatIf())
    small, big = result.data["hosts"]
    assert small["kube_reserved"] == {"cpu": "70m", "memory": "1Gi", "ephemeral_storage": "1Gi", "pid": "2000"}
    assert small["system_reserved"] == {"cpu": "100m", "memory": "256Mi", "ephemeral_storage": "1Gi", "pid": "1000"}
    assert small["eviction_hard"] == {"memory": "100Mi", "ephemeral_storage": "4294967360"}
    assert small["allocatable"] == {
        "cpu": "1830m",
        "memory": "2716Mi",
        "ephemeral_storage": "36507221952",
        "pid": "27000",
        "pods": "110",
    }
    assert big["imagefs"] == {"path": "/var/lib/containerd", "size": "99Gi", "is_nodefs": False}
    assert big["thresholds"]["imagefs.available"] == "30Gi"
    assert result.exit_code is ExitCode.OK
    assert "imagefs: 99Gi (/var/lib/containerd)" in said(result)


def test_hosts_of_one_size_share_a_table(observed) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(1, 2)
    observed(spec, {h.name: make_state(h.name, capacity=SMALL) for h in spec.hosts})
    text = said(reserve_inventory(Options(), WhatIf()))
    assert text.startswith("cp1 w1 w2: profile gke, at most 110 pods")
    assert text.count("RESOURCE") == 1


def test_one_host_and_another_formula(observed) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(1, 1)
    observed(spec, {h.name: make_state(h.name, capacity=SMALL) for h in spec.hosts})
    (host,) = reserve_inventory(Options(limit=("w1",)), WhatIf("eks", 29)).data["hosts"]
    assert (host["host"], host["kube_reserved"]["memory"]) == ("w1", "574Mi")


def test_host_that_did_not_answer_and_host_without_room(observed) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(1, 1, kubelet_system_reserved={"memory": "4Gi"})
    observed(spec, {"cp1": make_state("cp1", capacity=SMALL), "w1": Unreachable("unreachable", "timed out")})
    result = reserve_inventory(Options(), WhatIf())
    assert [(p.host, p.code) for p in result.problems] == [("w1", "unreachable"), ("cp1", "reservation")]
    assert result.data["hosts"][0]["lacking"] == ["memory"]
    assert result.exit_code is ExitCode.FOUND


def test_nobody_answers(observed) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(1, 0)
    observed(spec, {"cp1": make_state("cp1", errors=("capacity: OSError: no /proc",))})
    with pytest.raises(ConnectError) as caught:
        reserve_inventory(Options(), WhatIf())
    assert [p.message for p in caught.value.problems] == ["its size is not known: capacity: OSError: no /proc"]
