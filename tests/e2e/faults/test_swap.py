"""Swap, as far as a node in a container has any: areas listed over /proc/swaps, which kubelet and kprov read.

Nothing is swapped: an area that is really on would be on for the whole machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

AREAS = "Filename\tType\tSize\tUsed\tPriority\n/swapfile\tfile\t1048572\t0\t-2\n"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    return make_lab("swap", control_planes=1, workers=0)


@contextmanager
def swap_listed(lab: LabCluster) -> Iterator[None]:
    lab.ssh("cp1", f"printf '{AREAS}' > /etc/swaps.test && mount --bind /etc/swaps.test /proc/swaps")
    try:
        yield
    finally:
        lab.ssh("cp1", "umount /proc/swaps && rm /etc/swaps.test")


@contextmanager
def variables(lab: LabCluster, **values: Any) -> Iterator[None]:
    file = lab.inventory.parent / "group_vars/all.yml"
    before = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), **values}))
    try:
        yield
    finally:
        file.write_text(before)


def codes(envelope: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in envelope["problems"] if problem["severity"] == "error"}


def test_off_reads_the_list_again_and_fstab_no_longer_asks_for_it(lab: LabCluster) -> None:
    lab.ssh("cp1", "echo '/swapfile none swap sw 0 0' >> /etc/fstab")
    with swap_listed(lab):
        refused = lab.kprov("up", "--yes", "--no-verify")
        assert refused.exit_code == ExitCode.PHASE
        assert "swap cannot be switched off: /swapfile stays" in refused.stderr
    lab.up()
    assert "# kprov: swap is off. /swapfile none swap sw 0 0" in lab.ssh("cp1", "cat /etc/fstab")
    assert lab.ssh("cp1", "readlink /etc/systemd/system/swap.target").strip() == "/dev/null"


def test_swap_that_comes_back_is_drift(lab: LabCluster) -> None:
    with swap_listed(lab):
        plan = lab.kprov("plan")
        assert plan.exit_code == ExitCode.FOUND
        assert "swap" in json.dumps(plan.data)
    assert lab.kprov("plan").exit_code == 0


def test_kept_swap_stops_before_any_change_unless_the_kubelet_bears_it(lab: LabCluster) -> None:
    with swap_listed(lab):
        with variables(lab, os_swap="keep"):
            refused = lab.kprov("up", "--yes", "--no-verify")
            assert (refused.exit_code, codes(refused.envelope)) == (ExitCode.PREFLIGHT, {"swap"})
        with variables(lab, os_swap="keep", kubelet_fail_swap_on=False):
            lab.up("--no-verify")
            lab.ssh("cp1", "systemctl restart kubelet")
            ready = f"until /usr/local/libexec/kprov/kubelet-ready {lab.node('cp1')}; do sleep 1; done"
            lab.ssh("cp1", f"timeout 90 sh -c '{ready}'")
            config = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{lab.node('cp1')}/proxy/configz"))
            assert config["kubeletconfig"]["failSwapOn"] is False
            assert config["kubeletconfig"]["memorySwap"] == {"swapBehavior": "NoSwap"}
            assert not lab.ssh("cp1", "ls /etc/systemd/system/swap.target 2>/dev/null", check=False)


def test_limited_swap_is_chosen_where_cgroups_can_and_refused_where_they_cannot(lab: LabCluster) -> None:
    v2 = lab.ssh("cp1", "test -e /sys/fs/cgroup/cgroup.controllers && echo v2", check=False).strip() == "v2"
    chosen = {"os_swap": "keep", "kubelet_fail_swap_on": False, "kubelet_swap_behavior": "LimitedSwap"}
    with swap_listed(lab), variables(lab, **chosen):
        done = lab.kprov("up", "--yes", "--no-verify")
        if not v2:
            assert (done.exit_code, codes(done.envelope)) == (ExitCode.PREFLIGHT, {"swap"})
            return
        config = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{lab.node('cp1')}/proxy/configz"))
        assert config["kubeletconfig"]["memorySwap"] == {"swapBehavior": "LimitedSwap"}
