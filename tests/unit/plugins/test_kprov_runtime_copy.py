"""kprov_runtime_copy: what is said of a copy that failed. On a cluster: tests/e2e/faults/test_runtime_root.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils import kprov_runtime_copy

STARTED = "Started kprov-runtime-root-copy.service - cp --archive.\n"


@pytest.mark.parametrize("reason", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk_is_named_with_its_numbers_and_both_ways_out(tmp_path: Path, reason: str) -> None:
    line = f"cp: error writing '{tmp_path}/blob': {reason}"
    said = kprov_runtime_copy.failure("/var/lib/containerd", str(tmp_path), f"{STARTED}{line}\n{line}2\n")
    assert f"no space was left while /var/lib/containerd was copied to {tmp_path}" in said
    assert said.count("cp: error") == 1
    assert "`kprov runtime-root migrate` goes on" in said
    assert "`kprov runtime-root abort`" in said


def test_any_other_failure_is_told_in_cps_own_words(tmp_path: Path) -> None:
    line = "cp: error reading '/var/lib/containerd/blob': Input/output error"
    said = kprov_runtime_copy.failure("/var/lib/containerd", str(tmp_path), STARTED + line)
    assert said == f"cp did not copy /var/lib/containerd to {tmp_path}: {STARTED}{line}"
