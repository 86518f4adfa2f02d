"""The lab's build of a bundle: what is built for a release, what makes a build new, and how failures look."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kprov.artifacts.manifest import project_manifest
from kprov.errors import LabError
from kprov.lab import golang, packages
from kprov.lab.base_layer import needed
from kprov.lab.build import plan_contents
from kprov.lab.cache import Cache
from kprov.lab.components import Component, build_key, component, kubernetes_version, load_components
from kprov.lab.images import RECIPES, recipe, tag_version
from kprov.lab.packages import parse_uris
from kprov.ui.progress import NoProgress

LAB_VERSIONS = [entry.version for entry in load_components() if entry.name == "kubernetes"]
GO = {"GOVERSION": "go1.26.0", "GOARCH": "amd64"}
TITLES = [entry.title for entry in load_components()]

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")


# -- the table of components ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", load_components(), ids=TITLES)
def test_component_pins_its_version_and_all_of_its_source(entry: Component) -> None:
    go_mod = (entry.source / "go.mod").read_text()
    if entry.name == "pause":
        assert "require" not in go_mod
        return
    assert (entry.source / "go.sum").stat().st_size > 0
    tools = (entry.source / "tools.go").read_text()
    for package in entry.outputs.values():
        assert f'_ "{package}"' in tools
    if entry.name != "agnhost":  # comes with the module of Kubernetes
        assert re.search(rf"^(require )?\s*\S+ v{re.escape(entry.version)}$", go_mod, re.MULTILINE)


def test_staging_modules_of_kubernetes_are_of_its_version() -> None:
    for entry in load_components():
        if entry.name == "kubernetes":
            replaced = re.findall(r"=> k8s\.io/\S+ (\S+)", (entry.source / "go.mod").read_text())
            assert len(replaced) > 25
            assert set(replaced) == {f"v0.{entry.version.removeprefix('1.')}"}


def test_kubernetes_knows_its_version() -> None:
    flags = component("kubernetes", "1.36.3").linker_flags()
    assert "component-base/version.gitVersion=v1.36.3" in flags
    assert "component-base/version.gitMinor=36" in flags
    assert "{" not in flags


def test_version_selection() -> None:
    assert kubernetes_version("1.36") == "1.36.3"
    assert kubernetes_version("v1.35.4") == "1.35.4"
    with pytest.raises(LabError, match=r"cannot build Kubernetes 1\.3:"):
        kubernetes_version("1.3")
    with pytest.raises(LabError, match=r"cannot build containerd 9\.9\.9: it builds 2\.3\.4"):
        component("containerd", "9.9.9")


# -- what a release needs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", LAB_VERSIONS)
def test_lab_builds_every_file_and_image_of_a_release(version: str) -> None:
    manifest = project_manifest()
    contents = plan_contents(manifest, [version], "amd64")
    assert {entry.name for entry in contents.files} == {
        entry.name for entry in manifest.release_files(version, "amd64")
    }
    assert {image.ref for image in contents.images} == {image.ref for image in manifest.images_for(version, "amd64")}
    for image, source in contents.images.items():
        assert image.kubernetes == (version,)
        assert set(recipe(image.repository).binaries.values()) <= set(source.outputs)


def test_release_of_the_bundle_says_what_was_really_built() -> None:
    contents = plan_contents(project_manifest(), ["1.35.4"], "amd64")
    assert contents.releases["1.35.4"]["crictl"] == "1.36.0"
    (crictl,) = [entry for entry in contents.files if entry.name == "crictl"]
    assert (crictl.version, "1.35.0" in crictl.url) == ("1.36.0", False)


def test_two_releases_share_what_is_the_same() -> None:
    contents = plan_contents(project_manifest(), LAB_VERSIONS, "amd64")
    assert len([entry for entry in contents.files if entry.name == "containerd"]) == 1
    assert len([entry for entry in contents.files if entry.name == "crictl"]) == 1
    assert len([entry for entry in contents.files if entry.name == "kubelet"]) == 2
    etcd = {image.ref: source for image, source in contents.images.items() if image.repository.endswith("/etcd")}
    assert len(etcd) == 2
    assert len({source.title for source in etcd.values()}) == 1
    titles = [entry.title for entry in contents.components()]
    assert len(titles) == len(set(titles))


def test_unknown_image_has_no_recipe() -> None:
    with pytest.raises(LabError, match=r"no recipe for the image quay\.io/a/b"):
        recipe("quay.io/a/b")
    assert all(how.component in {entry.name for entry in load_components()} for how in RECIPES.values())


@pytest.mark.parametrize(
    ("ref", "version"),
    [
        ("registry.k8s.io/etcd:3.6.8-0", "3.6.8"),
        ("registry.k8s.io/kube-proxy:v1.36.3", "1.36.3"),
        ("registry.k8s.io/pause:3.10.2", "3.10.2"),
    ],
)
def test_version_of_a_tag(ref: str, version: str) -> None:
    assert tag_version(ref) == version


# -- the key of a build -----------------------------------------------------------------------------------------------


def program(directory: Path, source: str = "package main\n\nfunc main() {}\n") -> Component:
    directory.mkdir(exist_ok=True)
    (directory / "go.mod").write_text("module example.org/program\n\ngo 1.24.0\n")
    (directory / "main.go").write_text(source)
    return Component(
        name="program", version="1.0.0", directory=str(directory), outputs={"program": "example.org/program"}
    )


def test_key_is_stable(tmp_path: Path) -> None:
    assert build_key(program(tmp_path), GO, ["a", "b"]) == build_key(program(tmp_path), GO, ["b", "a"])


def test_key_changes_with_everything_that_can_change_the_binary(tmp_path: Path) -> None:
    entry = program(tmp_path)
    keys = [build_key(entry, GO, [])]
    keys.append(build_key(entry, GO | {"GOVERSION": "go1.26.1"}, []))
    keys.append(build_key(entry, GO, ["digest of libseccomp-dev"]))
    for change in ({"ldflags": ("-X main.v=1",)}, {"tags": ("seccomp",)}, {"cgo": True}, {"version": "1.0.1"}):
        keys.append(build_key(entry.model_copy(update=change), GO, []))
    for name in ("go.mod", "go.sum", "main.go"):
        with (tmp_path / name).open("a") as file:
            file.write("// changed\n")
        keys.append(build_key(entry, GO, []))
    assert len(set(keys)) == len(keys)


# -- building ---------------------------------------------------------------------------------------------------------


@needs_go
def test_go_error_shows_the_last_lines_and_the_log(tmp_path: Path) -> None:
    entry = program(tmp_path / "source", "package main\n\nfunc main( {}\n")
    cache = Cache(tmp_path / "cache")
    with pytest.raises(LabError, match=r"main\.go:3") as caught:
        golang.build(entry, cache, GO, NoProgress())
    log = Path(caught.value.message.rpartition("log: ")[2])
    assert "main.go:3" in log.read_text()
    assert not list((tmp_path / "cache").glob("components/*")), "a failed build is not cached"


@needs_go
def test_module_that_go_sum_does_not_pin_is_refused(tmp_path: Path) -> None:
    entry = program(tmp_path / "source", 'package main\n\nimport _ "k8s.io/klog/v2"\n\nfunc main() {}\n')
    with (tmp_path / "source/go.mod").open("a") as file:
        file.write("require k8s.io/klog/v2 v2.130.1\n")
    with pytest.raises(LabError, match=r"missing go\.sum entry") as caught:
        golang.build(entry, Cache(tmp_path / "cache"), GO, NoProgress())
    assert "go mod tidy" in (caught.value.hint or "")


def test_missing_go_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="finds no `go`") as caught:
        golang.toolchain()
    assert "https://go.dev/dl" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("github.com/opencontainers/runc", "runc"),
        ("go.etcd.io/etcd/server/v3", "server"),
        ("github.com/containerd/containerd/v2/cmd/ctr", "ctr"),
        ("example.org/vnc", "vnc"),
    ],
)
def test_name_that_go_gives_a_program(package: str, name: str) -> None:
    assert golang.go_name(package) == name


# -- Debian packages --------------------------------------------------------------------------------------------------


def test_what_apt_prints_is_understood() -> None:
    (found,) = parse_uris(
        "Some warning\n"
        "'http://deb.debian.org/debian/pool/main/b/busybox/busybox-static_1.35.0-4%2bb1_amd64.deb' "
        f"busybox-static_1%3a1.35.0-4+b1_amd64.deb 928188 SHA256:{'a' * 64}\n"
    )
    assert (found.name, found.filename) == ("busybox-static", "busybox-static_1%3a1.35.0-4+b1_amd64.deb")
    assert found.sha256 == "a" * 64


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
def test_libraries_of_a_program_are_found_and_other_files_have_none(tmp_path: Path) -> None:
    loader, libraries = needed(Path("/bin/sh").resolve())
    assert loader is not None
    assert "libc.so.6" in libraries
    (tmp_path / "script").write_text("#!/bin/sh")
    assert needed(tmp_path / "script") == (None, [])


def test_download_with_the_wrong_digest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in packages.TOOLS:
        (tools / name).write_text("#!/bin/sh\necho tampered >iptables_1_amd64.deb\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    wanted = packages.Package("iptables", "iptables_1_amd64.deb", "a" * 64)
    with pytest.raises(LabError, match=r"iptables_1_amd64\.deb: what was downloaded is not what apt announced"):
        packages.fetch([wanted], Cache(tmp_path / "cache"))
    assert not list((tmp_path / "cache").glob("packages/*"))


# -- the cache --------------------------------------------------------------------------------------------------------


def test_finished_thing_is_not_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made: list[Path] = []

    def make(target: Path) -> None:
        made.append(target)
        (target / "file").write_text("x")

    assert cache.made("kind", "name", make) == cache.made("kind", "name", make)
    assert len(made) == 1
    assert (cache.path("kind", "name") / "file").read_text() == "x"


def test_broken_off_thing_is_not_there_and_is_made_from_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def breaks_off(target: Path) -> None:
        (target / "half").write_text("x")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        cache.made("kind", "name", breaks_off)
    assert not cache.path("kind", "name").exists()
    done = cache.made("kind", "name", lambda target: (target / "whole").touch())
    assert [path.name for path in done.iterdir()] == ["whole"]


class Told:
    """Progress that sets an event at the first line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.said = threading.Event()

    def step(self, title: str) -> None:
        self.lines.append(title)
        self.said.set()

    @contextmanager
    def timed(self, title: str) -> Iterator[None]:
        yield


def test_second_build_waits_and_says_so(tmp_path: Path) -> None:
    told = Told()
    entered = threading.Event()

    def second() -> None:
        with Cache(tmp_path).locked(told):
            entered.set()

    with Cache(tmp_path).locked(NoProgress()):
        other = threading.Thread(target=second)
        other.start()
        assert told.said.wait(5)
        assert not entered.is_set()
    other.join(5)
    assert entered.is_set()
    assert "waiting for another build" in told.lines[0]
