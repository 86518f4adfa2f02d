"""Endpoint, artifacts, and values whose form is Kubernetes' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kprov.spec.checks.endpoints import is_endpoint
from kprov.spec.checks.kubernetes import go_duration
from tests.unit.spec.inventories import codes, machines, only_error, problems, with_variable


@pytest.mark.parametrize(
    "text",
    ["api.example", "api.example:6443", "192.0.2.1", "192.0.2.1:6443", "[fd00::1]", "[fd00::1]:6443", "API.example"],
)
def test_a_good_endpoint(text: str) -> None:
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text",
    ["https://api", "api:", "api:0", "api:70000", "fd00::1", "api/x", "[192.0.2.1]", "a_b", "192.0.2.300", "a b"],
)
def test_a_bad_endpoint(text: str) -> None:
    assert not is_endpoint(text)
    assert codes(with_variable("control_plane_endpoint", text)) == ["endpoint"]


def test_several_control_planes_without_endpoint_are_a_warning() -> None:
    found = problems(machines("cp1", "cp2", "cp3", "node1"))
    assert [(p.code, p.severity) for p in found] == [("endpoint", "warning")]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("api_server_port", 0, "port"),
        ("api_server_port", 2379, "port"),
        ("image_repository", "https://r.example", "image-repository"),
        ("image_repository", "r.example/", "image-repository"),
        ("image_repository", "", "image-repository"),
        ("artifacts_mirror", "mirror.example", "mirror"),
        ("worker_token_ttl", "15", "duration"),
        ("worker_token_ttl", "1 d", "duration"),
        ("worker_token_ttl", "0s", "duration"),
        ("control_plane_certificate_validity", "100000h", "duration"),
        ("control_plane_health_deadline", 34, "deadline"),
        ("control_plane_terminated_pod_gc_threshold", -1, "pods"),
        ("control_plane_api_server_args", {"--v": 2}, "flag"),
        ("control_plane_etcd_args", {"a": ["b"]}, "flag"),
        ("kubeadm_ignore_preflight_errors", ["Swap", "ALL"], "ignore-all"),
        ("container_runtime_registry_mirrors", {"docker.io": "https://m"}, "registry-mirror"),
        ("bin_dir", "opt/bin", "path"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: Any, code: str) -> None:
    assert only_error(with_variable(name, value)).code == code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_repository", "registry.example:5000/mirror/k8s.io"),
        ("artifacts_mirror", "http://mirror.example:8080/k8s"),
        ("worker_token_ttl", "1h30m"),
        ("control_plane_api_server_args", {"v": 2, "profiling": False}),
        ("control_plane_terminated_pod_gc_threshold", 0),
        ("kubeadm_ignore_preflight_errors", ["Swap"]),
        ("container_runtime_registry_mirrors", {"docker.io": ["https://m"]}),
    ],
)
def test_a_right_value_is_accepted(name: str, value: Any) -> None:
    assert codes(with_variable(name, value)) == []


@pytest.mark.parametrize(("text", "seconds"), [("8760h", 31_536_000), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0.5)])
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert go_duration(text) == seconds


def test_a_bundle_must_be_one(tmp_path: Path) -> None:
    assert only_error(with_variable("artifacts_bundle", str(tmp_path / "gone"))).code == "bundle"
    assert "no manifest.json" in only_error(with_variable("artifacts_bundle", str(tmp_path))).message
    (tmp_path / "manifest.json").write_text("{}")
    assert "names no release" in only_error(with_variable("artifacts_bundle", str(tmp_path))).message
    assert "absolute" in only_error(with_variable("artifacts_bundle", "bundle")).message


def test_bundle_was_made_for_the_runtime_of_the_host(tmp_path: Path) -> None:
    manifest = {"releases": {"1.36.3": {}}, "files": [{"name": "kubelet"}, {"name": "containerd"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    hosts = machines("cp1", "node1", artifacts_bundle=str(tmp_path), container_runtime="docker")
    problem = only_error(hosts)
    assert problem.code == "bundle"
    assert "has no cri-dockerd" in problem.message
    assert codes(machines("cp1", "node1", artifacts_bundle=str(tmp_path))) == []


def test_bundle_and_mirror_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"releases": {"1.36.3": {}}}')
    hosts = machines("cp1", "node1", artifacts_bundle=str(tmp_path), artifacts_mirror="http://m.example")
    assert "both set" in only_error(hosts).message


def test_a_key_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    found = problems(with_variable("ansible_ssh_private_key_file", str(tmp_path / "key")))
    assert {(p.code, p.severity) for p in found} == {("connection", "warning")}
