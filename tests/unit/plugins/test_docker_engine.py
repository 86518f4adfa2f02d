"""kprov_docker_engine: which packages are held. dpkg and apt-mark are functions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGES = {"debian": ["docker.io"], "redhat": ["docker-ce"]}
OWNERS = {"/usr/sbin/dockerd": "docker.io", "/usr/bin/containerd": "containerd", "/usr/sbin/runc": "runc"}


@pytest.fixture
def module(plugin: Any, node: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: ModuleType = plugin("modules", "kprov_docker_engine")
    module.held = {"runc"}  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "programs", lambda: list(OWNERS))
    monkeypatch.setattr(module.shutil, "which", lambda name, **_: f"/usr/bin/{name}")

    module.version = "26.1.5+dfsg1"  # type: ignore[attr-defined]

    def run(argv: list[str]) -> tuple[int, str]:
        if argv[0] == "/usr/sbin/dockerd":
            return 0, f"Docker version {module.version}, build 411e817"
        if argv[0] == "dpkg-query":
            return (0, f"{OWNERS[argv[2]]}: {argv[2]}") if argv[2] in OWNERS else (1, "no path found")
        if argv[1] == "showhold":
            return 0, "\n".join(sorted(module.held))
        module.held.update(argv[2:])
        return 0, ""

    monkeypatch.setattr(module, "run", run)
    return module


def test_holds_what_is_not_held_once(module: ModuleType) -> None:
    first = module.apply("container_runtime", PACKAGES, False)
    assert (first["changed"], first["held"]) == (True, ["containerd", "docker.io"])
    assert module.held == {"containerd", "docker.io", "runc"}
    assert not module.apply("container_runtime", PACKAGES, False)["changed"]


def test_the_record_names_only_what_kprov_held(module: ModuleType) -> None:
    module.apply("container_runtime", PACKAGES, False)
    module.apply("container_runtime", PACKAGES, False)
    record = module.PhaseRecord.open("container_runtime", part=module.PART)
    assert sorted(record.earlier("held_packages")) == ["containerd", "docker.io"]


def test_an_engine_that_is_too_old_is_left_alone(module: ModuleType, tree: Any) -> None:
    module.version = "20.10.24+dfsg1"  # type: ignore[attr-defined]
    before = tree()
    with pytest.raises(module.EngineError, match=r"Docker Engine 20\.10\.24\+dfsg1 is too old"):
        module.apply("container_runtime", PACKAGES, False)
    assert (module.held, tree()) == ({"runc"}, before)


def test_check_mode_holds_nothing(module: ModuleType) -> None:
    assert module.apply("container_runtime", PACKAGES, True)["changed"]
    assert module.held == {"runc"}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            "  Candidate: 20.10.24+dfsg1-1+deb12u1",
            r"docker\.io 20\.10\.24\+dfsg1-1\+deb12u1 is too old for cri-dockerd",
        ),
        ("  Candidate: (none)", r"no package docker\.io to install"),
        ("", r"no package docker\.io to install"),
    ],
)
def test_packages_that_will_not_do_are_refused_before_they_are_installed(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, policy: str, said: str
) -> None:
    monkeypatch.setattr(module, "programs", list)
    monkeypatch.setattr(module, "run", lambda argv: (0, policy))
    with pytest.raises(module.EngineError, match=said):
        module.apply("container_runtime", PACKAGES, False)


@pytest.mark.parametrize("version", ["26.1.5+dfsg1-9+deb13u1", "5:28.1.1-1~debian.12~bookworm", "23.0.1"])
def test_without_an_engine_it_names_the_packages(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(module, "programs", lambda: ["/usr/bin/containerd"])
    monkeypatch.setattr(module, "run", lambda argv: (0, f"  Candidate: {version}"))
    assert module.apply("container_runtime", PACKAGES, False)["missing"] == ["docker.io"]
    assert module.held == {"runc"}
