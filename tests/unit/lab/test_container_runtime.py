"""A lab for Docker: its bundle, its inventory, its shape, and the wrapper around runc."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from kprov.artifacts.manifest import project_manifest
from kprov.errors import InputError, LabError
from kprov.lab import lab
from kprov.lab.build import ARCHIVES, plan_contents
from kprov.lab.directory import LabDirectory
from kprov.lab.inventory import RUNC_RESTRICTED, lab_variables, machine_variables
from kprov.lab.lab import LabSpec
from kprov.lab.machine import Machine, detect
from kprov.lab.node_image import DOCKER_CONTEXT
from kprov.lab.nodes import Node

MACHINES = Path(__file__).parent / "machines"


def values(machine: Machine, runtime: str) -> dict[str, object]:
    found = [*lab_variables("demo", "1.36.3", Path("/none"), runtime), *machine_variables(machine, runtime)]
    return {variable.name: variable.value for variable in found}


def test_only_a_bundle_for_docker_has_cri_dockerd_and_it_has_no_containerd() -> None:
    names = {
        runtime: {entry.name for entry in plan_contents(project_manifest(), ["1.36.3"], "amd64", runtime).files}
        for runtime in ("containerd", "docker")
    }
    assert names["docker"] - names["containerd"] == {"cri-dockerd"}
    assert names["containerd"] - names["docker"] == {"containerd", "runc"}
    assert ARCHIVES["cri-dockerd"] == "cri-dockerd/"


def test_inventory_says_docker_only_when_it_was_asked_for() -> None:
    machine = detect(MACHINES / "cgroup-v2-full")
    assert values(machine, "docker")["container_runtime"] == "docker"
    assert not any(name.startswith("container_runtime") for name in values(machine, "containerd"))


def test_without_sys_resource_docker_gets_the_wrapper_and_containerd_its_setting() -> None:
    machine = detect(MACHINES / "cgroup-v1-without-sys-resource")
    docker = values(machine, "docker")
    assert docker["container_runtime_docker_daemon"] == {
        "runtimes": {"runc-restricted": {"path": RUNC_RESTRICTED}},
        "default-runtime": "runc-restricted",
    }
    assert "container_runtime_restrict_oom_score_adj" not in docker
    assert values(machine, "containerd")["container_runtime_restrict_oom_score_adj"] is True
    assert "container_runtime_docker_daemon" not in values(detect(MACHINES / "cgroup-v2-full"), "docker")
    assert RUNC_RESTRICTED in (DOCKER_CONTEXT / "Dockerfile").read_text()


def test_a_lab_keeps_its_runtime(tmp_path: Path) -> None:
    directory = LabDirectory("demo", tmp_path)
    directory.private_key.touch()
    node = Node("demo", "demo-cp1", "control_plane", "172.30.0.11", "running")
    directory.write({"kubernetes": "1.36", "bundle": "/b", "created": ""})  # a lab of before there was a choice
    lab._check_shape(LabSpec(workers=0), directory, [node], None)
    with pytest.raises(LabError, match="was made for containerd, not docker"):
        lab._check_shape(LabSpec(workers=0, container_runtime="docker"), directory, [node], None)


def test_unknown_runtimes_are_refused() -> None:
    with pytest.raises(InputError, match="no nodes for crio"):
        lab._check_numbers(LabSpec(container_runtime="crio"))


@pytest.mark.parametrize(("wanted", "left"), [(-998, "own"), (1000, 1000)])
@pytest.mark.parametrize("arguments", [["--bundle", "B"], ["--bundle=B"], ["-b", "B"]])
def test_the_wrapper_raises_low_scores_only(tmp_path: Path, wanted: int, left: object, arguments: list[str]) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    configuration = {"process": {"oomScoreAdj": wanted, "args": ["x"]}, "root": {"path": "rootfs"}}
    (bundle / "config.json").write_text(json.dumps(configuration, separators=(",", ":")))
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\n')
    runc.chmod(0o755)
    script = (DOCKER_CONTEXT / "runc-restricted").read_text().replace("/usr/sbin/runc", str(runc))
    words = [word.replace("B", str(bundle)) for word in arguments]
    argv = ["/bin/sh", "-c", script, "runc", "--root", "/run/x", "create", *words, "--pid-file", "/p", "id"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == argv[4:]
    own = int(Path("/proc/self/oom_score_adj").read_text())
    found = json.loads((bundle / "config.json").read_text())
    assert found["process"]["oomScoreAdj"] == (own if left == "own" else left)
    assert os.access(DOCKER_CONTEXT / "runc-restricted", os.X_OK)
