"""What phase container_runtime must have done with docker: an engine fit for the kubelet, and cri-dockerd between."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "Docker runs": ("systemctl is-active docker", "active"),
    "cri-dockerd runs": ("systemctl is-active cri-docker", "active"),
    "a boot starts Docker": ("systemctl is-enabled docker", "enabled"),
    "a boot starts cri-dockerd": ("systemctl is-enabled cri-docker", "enabled"),
    "cri-dockerd did not crash": ("systemctl show -P NRestarts cri-docker", "0"),
    "the kubelet finds its socket": ("test -S /run/cri-dockerd.sock && echo yes", "yes"),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^container_runtime", "container_runtime.json"),
}

# Field of `docker info`, as the running engine says it -> its value
INFO = {
    "CgroupDriver": "systemd",
    "DockerRootDir": "/var/lib/docker",
    "LoggingDriver": "json-file",
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


@pytest.mark.parametrize("key", INFO)
def test_running_engine_says(host: Host, key: str) -> None:
    assert json.loads(host.check_output("docker info --format '{{json .}}'"))[key] == INFO[key]


def test_upgrades_leave_the_engine_alone(host: Host) -> None:
    assert "docker" in host.check_output("apt-mark showhold")
