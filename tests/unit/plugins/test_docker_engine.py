"""kprov_docker_engine: which packages are held. dpkg and apt-mark are functions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OWNERS = {"/usr/sbin/dockerd": "docker.io", "/usr/bin/containerd": "containerd", "/usr/sbin/runc": "runc"}


@pytest.fixture
def module(plugin: Any, node: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: ModuleType = plugin("modules", "kprov_docker_engine")
    module.held = {"runc"}  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "programs", lambda: list(OWNERS))
    monkeypatch.setattr(module.shutil, "which", lambda name, **_: f"/usr/bin/{name}")

    def run(argv: list[str]) -> tuple[int, str]:
        if argv[0] == "dpkg-query":
            return (0, f"{OWNERS[argv[2]]}: {argv[2]}") if argv[2] in OWNERS else (1, "no path found")
        if argv[1] == "showhold":
            return 0, "\n".join(sorted(module.held))
        module.held.update(argv[2:])
        return 0, ""

    monkeypatch.setattr(module, "run", run)
    return module


def test_holds_what_is_not_held_once(module: ModuleType) -> None:
    first = module.apply("container_runtime", False)
    assert (first["changed"], first["held"]) == (True, ["containerd", "docker.io"])
    assert module.held == {"containerd", "docker.io", "runc"}
    assert not module.apply("container_runtime", False)["changed"]


def test_the_record_names_only_what_kprov_held(module: ModuleType) -> None:
    module.apply("container_runtime", False)
    module.apply("container_runtime", False)
    record = module.PhaseRecord.open("container_runtime", part=module.PART)
    assert sorted(record.earlier("held_packages")) == ["containerd", "docker.io"]


def test_check_mode_holds_nothing(module: ModuleType) -> None:
    assert module.apply("container_runtime", True)["changed"]
    assert module.held == {"runc"}


def test_without_an_engine_it_says_so(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "programs", lambda: ["/usr/bin/containerd"])
    assert module.apply("container_runtime", False)["installed"] is False
    assert module.held == {"runc"}
