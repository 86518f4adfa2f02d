"""The Vagrantfile: valid for every provider, and machines of the docker provider become a cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import kprov

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
NETWORK = "192.168.57"  # not the default, where a developer's own machines may be
DOCKER_NETWORK = f"vagrant_network_{NETWORK}.0/24"


def run(*command: str, state: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command of a developer in the checkout. state: instead of .vagrant; settings: of vagrant/settings.yml."""
    said = {f"KPROV_VAGRANT_{key.upper()}": str(value) for key, value in {"network": NETWORK, **settings}.items()}
    environment = {**os.environ, **said, "VAGRANT_DOTFILE_PATH": str(state)}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("provider", "control_planes", "workers", "box"),
    [
        ("libvirt", 1, 0, "debian12"),
        ("libvirt", 3, 2, "el9"),
        ("virtualbox", 1, 2, "ubuntu2404"),
        ("virtualbox", 3, 3, "somebody/box"),
        ("docker", 3, 1, "debian12"),
    ],
)
def test_vagrantfile_is_valid(tmp_path: Path, provider: str, control_planes: int, workers: int, box: str) -> None:
    """VirtualBox itself is in no Debian, so its own part of the validation is left out."""
    arguments = ["--ignore-provider"] if provider == "virtualbox" else []
    settings = {"provider": provider, "control_planes": control_planes, "workers": workers, "box": box}
    done = run("vagrant", "validate", *arguments, state=tmp_path, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    machines = run("vagrant", "status", "--machine-readable", state=tmp_path, **settings).stdout
    if provider != "virtualbox":
        assert machines.count(",provider-name,") == control_planes + workers


@pytest.mark.parametrize("wrong", [{"control_planes": 4}, {"control_planes": 0}, {"provider": "hyperv"}])
def test_wrong_setting_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    done = run("vagrant", "validate", state=tmp_path, **wrong)
    assert done.returncode != 0
    assert f"vagrant/settings.yml: {next(iter(wrong))} is " in done.stderr


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Inventory of one control plane and one worker in containers. Afterwards nothing of them is left."""
    state, directory = tmp_path_factory.mktemp("vagrant"), tmp_path_factory.mktemp("inventory")
    settings = {"provider": "docker", "workers": 1}
    volumes: set[str] = set()
    try:
        up = run("vagrant", "up", state=state, **settings)
        assert up.returncode == 0, up.stdout + up.stderr
        volumes = _volumes()
        assert volumes
        written = run("scripts/vagrant-inventory", str(directory), state=state, **settings)
        assert written.returncode == 0, written.stderr
        yield str(directory)
    finally:
        gone = run("vagrant", "destroy", "--force", state=state, **settings)
    assert gone.returncode == 0, gone.stderr
    assert DOCKER_NETWORK not in _docker("network", "ls", "--format", "{{.Name}}")
    assert not volumes & _docker("volume", "ls", "--quiet")


def _volumes() -> set[str]:
    """Volumes of the machines: Vagrant names none of them."""
    containers = _docker("ps", "--quiet", "--filter", f"network={DOCKER_NETWORK}")
    return _docker("inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", *containers)


def _docker(*arguments: str) -> set[str]:
    """Words that `docker` says."""
    return set(subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.split())


def test_machines_become_a_cluster(inventory: str) -> None:
    assert kprov("plan", inventory).exit_code == 2
    up = kprov("up", inventory, "--yes")
    assert up.exit_code == 0, up.stderr
    verify = kprov("verify", inventory)
    assert verify.exit_code == 0, verify.envelope
    assert kprov("plan", inventory).exit_code == 0


def test_host_keys_are_known_exactly(inventory: str) -> None:
    """Another machine at the same address must not be trusted."""
    known_hosts = Path(inventory, "known_hosts")
    right = known_hosts.read_text()
    first, second = right.splitlines()
    known_hosts.write_text(f"{first.split()[0]} {second.split(maxsplit=1)[1]}\n{second}\n")
    try:
        assert kprov("plan", inventory).exit_code != 0
    finally:
        known_hosts.write_text(right)
