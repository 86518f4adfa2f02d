"""Supported versions of Kubernetes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kprov.artifacts.manifest import load
from kprov.content import content_root
from kprov.spec.versions import supported_versions
from tests.unit.spec.inventories import codes, machines, only_error, with_variable

THERE = supported_versions()


def test_the_versions_are_those_of_the_manifest() -> None:
    assert load(content_root() / "artifacts" / "manifest.yml").supported_versions() == THERE


@pytest.mark.parametrize("version", [THERE[0], THERE[-1], THERE[0].rpartition(".")[0], 1.36])
def test_a_minor_or_an_exact_version_is_accepted(version: object) -> None:
    assert codes(with_variable("kubernetes_version", version)) == []


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("1.19", None),
        ("1.3", None),
        (f"v{THERE[0]}", "without the v"),
        ("latest", "write a minor version"),
        (1.3, "in quotes"),
        (f"{THERE[0].rpartition('.')[0]}.99", "there is"),
    ],
)
def test_another_version_is_refused_and_the_supported_ones_are_listed(version: object, hint: str | None) -> None:
    problem = only_error(with_variable("kubernetes_version", version))
    assert problem.code == "unsupported-version"
    assert all(v in problem.message for v in THERE)
    assert hint is None or hint in str(problem.hint)


def test_with_a_bundle_its_own_versions_count(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"releases": {"1.30.1": {}}}))
    hosts = machines("cp1", "node1", artifacts_bundle=str(tmp_path), kubernetes_version="1.30")
    assert codes(hosts) == []
    hosts["cp1"]["kubernetes_version"] = hosts["node1"]["kubernetes_version"] = THERE[0]
    assert "holds 1.30.1" in only_error(hosts).message
