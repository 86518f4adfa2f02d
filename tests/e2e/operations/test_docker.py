"""A cluster on Docker Engine: `kprov verify` is green, logs stay small; and what the fix of kubectl exec is for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster, wait_until
from tests.e2e.conftest import MakeLab

GATE = "ExtendWebSocketsToKubelet"
IMAGE = "registry.k8s.io/kube-proxy:v{}"  # the image in the bundle that has a shell; it is on every node
LINE = 1000  # bytes
TALK = f"yes {'x' * (LINE - 1)} | head -n 120000; echo said all; sleep 600"  # 120 MB


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


def test_log_of_a_talkative_container_stays_within_docker_s_files(lab: LabCluster) -> None:
    """120 MB, and no more on disk than daemon.json's max-size 10m (Docker's m is 1000 x 1000) times max-file 5."""
    version = json.loads(lab.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"].removeprefix("v")
    container = {
        "name": "talker",
        "image": IMAGE.format(version),
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", TALK],
    }
    spec = {"nodeName": lab.node("cp1"), "terminationGracePeriodSeconds": 0, "containers": [container]}
    text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talker"}, "spec": spec})
    lab.ssh("cp1", f"printf %s '{text}' | kubectl --kubeconfig /etc/kubernetes/admin.conf create -f -")
    try:
        lab.kubectl("wait", "pod", "talker", "--for=condition=Ready", "--timeout=60s")
        wait_until("it has said all", lambda: lab.kubectl("logs", "talker", "--tail=1") == "said all\n", 180)
        sizes = log_files(lab)
        assert len(sizes) == 5
        assert max(sizes) < 10_000_000 + 2 * LINE  # a file ends with the line that is too much for it
        # The kubelet has a limit of its own, 10Mi, and looks every 10 s; what Docker rotates it does not.
        assert lab.ssh("cp1", "journalctl -u kubelet -o cat | grep -i 'rotate log' || true") == ""
        conditions = json.loads(lab.kubectl("get", "node", lab.node("cp1"), "-o", "json"))["status"]["conditions"]
        assert {found["type"]: found["status"] for found in conditions}["Ready"] == "True"
    finally:
        lab.kubectl("delete", "pod", "talker", "--wait=true", "--ignore-not-found")


def log_files(lab: LabCluster) -> list[int]:
    """Sizes of the talker's log files, bytes, ascending."""
    container = "$(docker ps -q --filter label=io.kubernetes.container.name=talker)"
    found = lab.ssh("cp1", f"stat -c %s $(docker inspect -f '{{{{.LogPath}}}}' {container})*")
    return sorted(int(size) for size in found.split())


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
