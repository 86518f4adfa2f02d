"""The program that looks at a node: without kprov, without a runtime, with Docker, with a damaged record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kprov.node_clean.node import cri, docker_sizes, journals, main
from kprov.remote.node import commands, docker, read
from kprov.remote.program import program
from tests.unit.node_clean import recording


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(read, "ROOT", str(tmp_path))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123\n")
    return tmp_path


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_it_runs_without_kprov() -> None:
    text = program({"runtime": "docker", "bin_dir": "/nowhere"}, "kprov.node_clean.node")
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-"], input=text, capture_output=True, check=True, cwd="/")
    found = re.search(r"KPROV-BEGIN (.*) KPROV-END", done.stdout.decode())
    assert found
    answer = json.loads(found.group(1))
    assert {error.partition(":")[0] for error in answer["errors"]} <= {"containers"}
    assert isinstance(answer["archived"], list)


def test_a_runtime_that_does_not_answer_is_asked_once(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: asked.append(arguments))
    answer = main.collect({"runtime": "containerd", "bin_dir": "/usr/local/bin"})
    assert answer["errors"] == ["containers: OSError: crictl ps -a gave no answer within 20 s, or failed"]
    assert len(asked) == 1


def test_what_a_container_may_mean_by_its_image() -> None:
    crash = next(one for one in cri.containers("containerd", "") if one["name"] == "crash" and one["attempt"] == 1)
    assert (crash["pod_name"], crash["namespace"], crash["state"]) == ("crash", "default", "CONTAINER_EXITED")
    assert crash["images"][0] == "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
    assert crash["images"][1].startswith("sha256:2319727c19d2")


def test_an_image_that_goes_meanwhile_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(arguments: list[str], timeout: float) -> str | None:
        ids = arguments[arguments.index("json") + 1 :]
        found = [{"info": {"chainID": f"layer of {one}"}, "status": {"id": one}} for one in ids]
        return None if "gone" in ids else json.dumps(found[0] if len(found) == 1 else found)

    monkeypatch.setattr(commands, "output", said)
    assert cri.chains(["a", "gone", "b"], "") == {"a": "layer of a", "b": "layer of b"}
    with pytest.raises(OSError, match="of no image"):
        cri.chains(["gone"], "")


def test_docker_s_short_names_are_made_full(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"images": [{"id": "sha256:1", "repoTags": ["busybox:1", "<none>:<none>"], "repoDigests": []}]}
    monkeypatch.setattr(commands, "output", lambda arguments, timeout: json.dumps(listed))
    (image,) = cri.images("docker", "")
    assert (image["tags"], image["pinned"]) == (["docker.io/library/busybox:1"], False)


def test_docker_s_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {
        "/containers/json?all=1&size=1": [{"Id": "c", "ImageID": "sha256:1", "SizeRw": 7}, {"Id": "d", "ImageID": "x"}],
        "/images/json?shared-size=1": [
            {"Id": "sha256:1", "Size": 100, "SharedSize": 30},
            {"Id": "sha256:2", "Size": 100, "SharedSize": -1},  # not said: nothing is promised
        ],
    }
    monkeypatch.setattr(docker, "get", lambda path, timeout: answers.get(path))
    assert docker_sizes.containers() == {"c": {"image": "sha256:1", "bytes": 7}, "d": {"image": "x", "bytes": 0}}
    assert docker_sizes.images() == {"sha256:1": 70, "sha256:2": 0}
    answers.clear()
    with pytest.raises(OSError, match="does not answer"):
        docker_sizes.images()


def test_archived_journals_oldest_first_and_not_those_in_use(node: Path) -> None:
    directory = node / "var/log/journal/0123"
    for age, name in enumerate(("user-1000@1-2-3.journal", "system@5-6.journal~", "system@1-2-3.journal")):
        file = put(directory / name, "x" * 5000)
        os.utime(file, (1000 - age, 1000 - age))
    put(directory / "system.journal", "x")
    put(directory / "system@note.txt", "x")
    put(node / "var/log/journal/4567/system@1-2-3.journal", "x")
    found = journals.archived()
    assert [one["path"].rpartition("/")[2] for one in found] == [
        "system@1-2-3.journal",
        "system@5-6.journal~",
        "user-1000@1-2-3.journal",
    ]
    status = (directory / "system@1-2-3.journal").stat()
    assert (found[0]["bytes"], found[0]["inode"]) == (status.st_blocks * 512, status.st_ino)
    assert found[0]["path"] == "/var/log/journal/0123/system@1-2-3.journal"


def test_a_journal_in_memory_takes_no_disk(node: Path) -> None:
    assert journals.archived() == []


def test_kprov_s_own_images_and_a_record_that_cannot_be_read(node: Path) -> None:
    put(node / "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    question = {"runtime": "containerd", "bin_dir": "/usr/local/bin"}
    assert main.collect(question)["own_images"] == []
    record = put(node / "var/lib/kprov/artifacts/images.json", '{"images": {"a:1": {}}}')
    assert main.collect(question)["own_images"] == ["a:1"]
    record.write_text("")
    answer = main.collect(question)
    assert "own_images" not in answer
    assert answer["errors"] == ["own_images: ValueError: /var/lib/kprov/artifacts/images.json is damaged"]


def test_the_recorded_node_is_read_whole() -> None:
    assert recording.node().root == "/var/lib/containerd"
    found = recording.node()
    assert set(found.chains) == {image.id for image in found.images}
    assert all(layer in found.snapshots for layer in found.chains.values())
