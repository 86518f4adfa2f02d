"""Registries and Docker's settings in the inventory."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kprov.content import content_root
from kprov.spec.checks.container_runtime import SOCKETS
from tests.unit.spec.inventories import codes, machines, only_error, problems


def docker(**variables: Any) -> dict[str, dict[str, Any]]:
    return machines("cp1", "node1", container_runtime="docker", **variables)


def warnings(hosts: dict[str, dict[str, Any]]) -> list[str]:
    return [p.code for p in problems(hosts) if p.severity == "warning"]


def test_docker_with_its_defaults_is_fine() -> None:
    assert problems(docker()) == []


@pytest.mark.parametrize(
    ("daemon", "said"),
    [
        ({"log-driver": "local"}, "log-driver has a variable of its own"),
        ({"graph": "/data/docker"}, "graph has a variable of its own"),
        ({"log-opts": {"max-size": "1m"}}, "log-opts.max-size has a variable of its own"),
        ({"hosts": ["tcp://0.0.0.0:2375"]}, "dockerd refuses both"),
        ({"exec-opts": ["native.cgroupdriver=cgroupfs"]}, "the kubelet's cgroup driver is systemd"),
    ],
)
def test_keys_of_daemon_json_that_belong_elsewhere(daemon: dict[str, Any], said: str) -> None:
    assert said in only_error(docker(container_runtime_docker_daemon=daemon)).message


def test_other_keys_of_daemon_json_are_the_user_s() -> None:
    daemon = {"log-opts": {"tag": "x"}, "exec-opts": ["native.cgroupdriver=systemd"], "runtimes": {"a": {"path": "/a"}}}
    assert problems(docker(container_runtime_docker_daemon=daemon)) == []


@pytest.mark.parametrize("size", ["10x", "", "m", "-1m", "10"])
def test_a_size_that_docker_refuses_when_a_pod_is_made(size: str) -> None:
    assert codes(docker(container_runtime_docker_log_max_size=size)) == ["size"]


@pytest.mark.parametrize("size", ["10m", "1.5g", "512K", "10MB"])
def test_sizes(size: str) -> None:
    assert codes(docker(container_runtime_docker_log_max_size=size)) == []


@pytest.mark.parametrize(
    "limits", [{"nofiles": {"soft": 1, "hard": 2}}, {"nofile": 5}, {"nofile": {"soft": 3, "hard": 2}}]
)
def test_limits(limits: dict[str, Any]) -> None:
    assert codes(docker(container_runtime_docker_default_ulimits=limits)) == ["ulimit"]
    assert codes(docker(container_runtime_docker_default_ulimits={"nofile": {"soft": 2, "hard": 2}})) == []


def test_docker_mirrors_docker_io_only() -> None:
    mirrors = {"docker.io": ["https://m.example"], "quay.io": ["https://m.example"]}
    assert "not quay.io" in only_error(docker(container_runtime_registry_mirrors=mirrors)).message
    assert codes(machines("cp1", "node1", container_runtime_registry_mirrors=mirrors)) == []


def test_insecure_registries_are_hosts_and_a_warning() -> None:
    wrong = machines("cp1", "node1", container_runtime_insecure_registries=["http://192.168.10.33"])
    assert "not a host or host:port" in only_error(wrong).message
    right = machines("cp1", "node1", container_runtime_insecure_registries=["192.168.10.33:80", "reg.example"])
    assert (codes(right), warnings(right)) == ([], ["insecure-registry"])


def test_docker_s_variables_without_docker() -> None:
    assert warnings(machines("cp1", "node1", container_runtime_docker_log_max_files=2)) == ["no-effect"]


def test_what_works_no_longer_with_docker_is_said() -> None:
    assert warnings(docker(container_runtime_docker_log_driver="journald")) == ["docker-log-driver"]


@pytest.mark.parametrize("socket", ["unix:///var/run/dockershim.sock", "unix:///var/run/docker.sock", "/run/x.sock"])
def test_a_socket_of_another_runtime_is_refused_with_the_right_one(socket: str) -> None:
    own = {"kubelet_config": {"containerRuntimeEndpoint": socket}}
    assert "unix:///run/cri-dockerd.sock" in str(only_error(docker(**own)).hint)
    assert "unix:///run/containerd/containerd.sock" in str(only_error(machines("cp1", "node1", **own)).hint)


def test_the_sockets_are_those_that_the_roles_give() -> None:
    declared = str(yaml.safe_load((content_root() / "roles/cluster/vars/main.yml").read_text())["cri_socket"])
    assert all(socket in declared for socket in SOCKETS.values())
