"""`kprov bundle`: what it takes from where, what it says, how it exits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kprov.artifacts.bundle import Bundle, new_bundle, open_bundle
from kprov.artifacts.manifest import project_manifest
from kprov.artifacts.source import Source
from kprov.artifacts.wanted import Wanted
from kprov.commands import bundle
from kprov.errors import ArtifactError, ExitCode, InputError
from kprov.ui.progress import NoProgress
from kprov.ui.result import Result

INVENTORY = """
[kube_control_plane]
cp1 ansible_host=192.0.2.1
[kube_node]
w1 ansible_host=192.0.2.2
[k8s_cluster:children]
kube_control_plane
kube_node
[k8s_cluster:vars]
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "program").write_text("program")
    with new_bundle(tmp_path / "bundle") as writer:
        writer.add_file("runc", "1.4.3", "amd64", tmp_path / "program", "runc.amd64")
        writer.finish({"1.36.3": {"kubernetes": "1.36.3", "runc": "1.4.3"}})
    return tmp_path / "bundle"


@pytest.fixture
def asked(made: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Wanted, Source]]:
    """What would be downloaded, and from where."""
    asked: list[tuple[Wanted, Source]] = []

    def create_bundle(target: Path, wanted: Wanted, source: Source, progress: Any) -> Bundle:
        asked.append((wanted, source))
        return open_bundle(made)

    monkeypatch.setattr(bundle, "create_bundle", create_bundle)
    return asked


def inventory(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "inventory.ini"
    path.write_text(INVENTORY + "\n".join(lines) + "\n")
    return path


def create(**options: Any) -> Result:
    return bundle.create(NoProgress(), Path("new"), **options)


def printed(result: Result) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        result.render(console)
    return capture.get()


def test_check_says_what_the_bundle_holds(made: Path) -> None:
    result = bundle.check(made)
    assert (result.exit_code, result.problems) == (ExitCode.OK, ())
    assert result.data == {
        "directory": str(made),
        "kubernetes": ["1.36.3"],
        "architectures": ["amd64"],
        "files": 1,
        "images": 0,
        "bytes": result.data["bytes"],
    }
    assert result.data["bytes"] > 7
    assert "1.36.3" in printed(result)
    assert "is what the manifest says" in printed(result)


def test_check_of_a_damaged_bundle_exits_with_16(made: Path) -> None:
    next(made.rglob("runc.amd64")).unlink()
    result = bundle.check(made)
    assert result.exit_code == ExitCode.ARTIFACT == 16
    assert [problem.code for problem in result.problems] == ["artifact-missing"]
    assert "1 problem: " in printed(result)


def test_check_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a bundle"):
        bundle.check(tmp_path)


def test_by_default_the_newest_release_for_this_machine(
    asked: list[tuple[Wanted, Source]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    result = create()
    ((contents, source),) = asked
    assert tuple(contents.releases) == project_manifest().supported_versions()[:1]
    assert {entry.arch for entry in contents.files} == {"arm64"}
    assert source == Source()
    assert f"artifacts_bundle={Path.cwd()}/new" in printed(result)


def test_inventory_says_release_mirror_and_repository(asked: list[tuple[Wanted, Source]], tmp_path: Path) -> None:
    lines = ('kubernetes_version="1.35"', "artifacts_mirror=http://m.example", "image_repository=r.example/k8s")
    create(inventory=inventory(tmp_path, *lines), architectures=["amd64"])
    ((contents, source),) = asked
    assert [version.rpartition(".")[0] for version in contents.releases] == ["1.35"]
    assert source == Source("http://m.example", "r.example/k8s")


def test_options_go_before_the_inventory(asked: list[tuple[Wanted, Source]], tmp_path: Path) -> None:
    lines = ('kubernetes_version="1.35"', "artifacts_mirror=http://m.example", "image_repository=r.example/k8s")
    given = {"mirror": "http://n.example", "image_repository": "s.example", "kubernetes": ["1.36", "1.35"]}
    create(inventory=inventory(tmp_path, *lines), architectures=["amd64"], **given)
    ((contents, source),) = asked
    assert [version.rpartition(".")[0] for version in contents.releases] == ["1.36", "1.35"]
    assert source == Source("http://n.example", "s.example")


def test_inventory_says_which_runtime_the_nodes_have(asked: list[tuple[Wanted, Source]], tmp_path: Path) -> None:
    def names() -> set[str]:
        return {entry.name for entry in asked[-1][0].files}

    create(inventory=inventory(tmp_path, "container_runtime=docker"), architectures=["amd64"])
    assert "cri-dockerd" in names()
    assert "runc" not in names()
    assert "runc" not in names()
    create(inventory=inventory(tmp_path), architectures=["amd64"])
    assert "cri-dockerd" not in names()
    create(inventory=inventory(tmp_path), architectures=["amd64"], container_runtimes=["docker", "containerd"])
    assert {"cri-dockerd", "runc"} <= names()


def test_the_bundle_that_the_inventory_names_need_not_be_there(
    asked: list[tuple[Wanted, Source]], tmp_path: Path
) -> None:
    create(inventory=inventory(tmp_path, f"artifacts_bundle={tmp_path}/not-made-yet"), architectures=["amd64"])
    assert asked


def test_an_old_bundle_does_not_limit_the_releases_of_the_new_one(
    asked: list[tuple[Wanted, Source]], tmp_path: Path, made: Path
) -> None:
    lines = (f"artifacts_bundle={made}", 'kubernetes_version="1.35"')  # it holds 1.36.3 only
    create(inventory=inventory(tmp_path, *lines), architectures=["amd64"])
    assert asked


def test_unknown_release_is_an_input_error_that_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"1\.3 is not") as caught:
        create(kubernetes=["1.3"], architectures=["amd64"])
    assert project_manifest().supported_versions()[0] in str(caught.value.hint)


def test_machine_without_artifacts_has_to_name_an_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(InputError, match="riscv64") as caught:
        create()
    assert "--arch" in str(caught.value.hint)


def test_directory_that_cannot_be_made_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kprov.artifacts.create.Skopeo", lambda *_: None)
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="file: File exists"):
        bundle.create(NoProgress(), tmp_path / "file" / "bundle", architectures=["amd64"])
