"""A cluster on Docker Engine: `kprov verify` is green; and what the fix of kubectl exec is for, seen without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

GATE = "ExtendWebSocketsToKubelet"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    return make_lab("docker", 1, 0, "--container-runtime", "docker")


def checks(verified: dict[str, Any]) -> dict[str, Any]:
    return {check["id"]: check for check in verified["checks"]}


def features(lab: LabCluster) -> list[str]:
    status = json.loads(lab.kubectl("get", "node", lab.node("cp1"), "-o", "json"))["status"]
    found: list[str] = status.get("declaredFeatures", [])
    return found


def test_exec_works_because_the_kubelet_does_without_the_gate(lab: LabCluster) -> None:
    lab.up()  # verifies, too
    assert GATE not in features(lab)
    verified = lab.kprov("verify")
    assert verified.exit_code == 0, verified.envelope
    assert checks(verified.data)["exec"]["ok"]


def test_without_the_fix_verify_is_red_and_names_it_and_the_fix_mends_it(lab: LabCluster) -> None:
    file = lab.inventory.parent / "group_vars/all.yml"
    before = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), "kubelet_docker_exec_fix": False}))
    lab.up("--no-verify")
    assert GATE in features(lab)
    verified = lab.kprov("verify")
    assert verified.exit_code == ExitCode.FOUND, verified.envelope
    red = {check for check, said in checks(verified.data).items() if said["ok"] is False}
    assert red == {"exec"}
    assert "a known limitation of cri-dockerd" in checks(verified.data)["exec"]["detail"]
    assert "kubelet_docker_exec_fix" in checks(verified.data)["exec"]["hint"]
    file.write_text(before)
    lab.up()
