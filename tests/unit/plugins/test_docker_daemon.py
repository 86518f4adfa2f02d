"""kprov_docker_daemon: what is on disk after each way that a run can go. systemd and the engine are dictionaries."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.plugins.test_kprov_units import Systemd, done

FILE = "etc/docker/daemon.json"
WANTED = {"log-driver": "json-file", "exec-opts": ["native.cgroupdriver=systemd"]}
EXEC_START = (
    "{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; ignore_errors=no ; start_time=[n/a] }"
)


class Engine:
    """Docker: its information, and the questions that dockerd was asked."""

    def __init__(self) -> None:
        self.information: dict[str, Any] = {
            "CgroupDriver": "systemd",
            "LoggingDriver": "json-file",
            "DockerRootDir": "/var/lib/docker",
            "Driver": "overlay2",
            "Images": 0,
            "Containers": 0,
        }
        self.api = "1.45"
        self.commands: list[list[str]] = []

    def output(self, command: list[str]) -> str:
        self.commands.append(command)
        return ""

    def __call__(self) -> Engine:
        return self

    def info(self) -> dict[str, Any]:
        return self.information

    def version(self) -> dict[str, Any]:
        return {"ApiVersion": self.api}


class DockerUnit(Systemd):
    """docker.service, with what `systemctl show` says of its command."""

    def __init__(self) -> None:
        super().__init__()
        self.add("docker.service", active="active", enabled="enabled")

    def run(self, argv: list[str], timeout: float) -> subprocess.CompletedProcess:
        if argv[1] == "show" and "ExecStart" in argv[2]:
            unit = self.units["docker.service"]
            files = "/etc/default/docker (ignore_errors=yes)"
            lines = {
                "ExecStart": EXEC_START,
                "EnvironmentFiles": files,
                "FragmentPath": "/u",
                "DropInPaths": "",
                **unit,
            }
            return done(0, "\n".join(f"{key}={value}" for key, value in lines.items()))
        if argv[1] == "reset-failed":
            never_ran = self.units["docker.service"]["ActiveState"] == "inactive"
            return done(1, "Unit docker.service not loaded.") if never_ran else done(0, "")
        return super().run(argv, timeout)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def systemd() -> DockerUnit:
    return DockerUnit()


@pytest.fixture
def module(plugin: Any, node: Path, engine: Engine, systemd: DockerUnit, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from ansible.module_utils import kprov_systemd

    module: ModuleType = plugin("modules", "kprov_docker_daemon")
    monkeypatch.setattr(kprov_systemd, "run", systemd.run)
    monkeypatch.setattr(module, "Docker", engine)
    monkeypatch.setattr(module, "_output", engine.output)
    return module


def apply(module: ModuleType, config: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    params = {"phase": "container_runtime", "config": config, "restart_on": [], "deadline": 5}
    result: dict[str, Any] = module.apply(params, check_mode)
    return result


def live(node: Path) -> Any:
    return json.loads((node / FILE).read_text())


def put(node: Path, text: str) -> None:
    (node / FILE).parent.mkdir(parents=True, exist_ok=True)
    (node / FILE).write_text(text)


def test_writes_restarts_and_then_does_nothing(module: ModuleType, node: Path, systemd: DockerUnit) -> None:
    put(node, '{"labels": ["mine=1"]}')
    first = apply(module, WANTED)
    assert first["changed"]
    assert live(node) == {"labels": ["mine=1"], **WANTED}
    assert "restart docker.service" in systemd.calls
    systemd.calls.clear()
    again = apply(module, WANTED)
    assert (again["changed"], again["changes"], systemd.calls) == (False, [], [])
    assert (node / "var/lib/kprov/originals" / FILE).read_text() == '{"labels": ["mine=1"]}'


def test_an_engine_that_never_ran_is_started(module: ModuleType, node: Path, systemd: DockerUnit) -> None:
    systemd.add("docker.service")
    assert apply(module, WANTED)["changed"]
    assert systemd.calls == ["enable docker.service", "start docker.service"]


def test_dockerd_judges_the_file_with_the_flags_of_its_unit(module: ModuleType, node: Path, engine: Engine) -> None:
    (node / "etc/default").mkdir(parents=True)
    (node / "etc/default/docker").write_text("# comment\nDOCKER_OPTS='--dns 8.8.8.8 --mtu=1400'\n")
    apply(module, WANTED)
    validation = next(command for command in engine.commands if "--validate" in command)
    assert validation[:-1] == ["/usr/sbin/dockerd", "-H", "fd://", "--dns", "8.8.8.8", "--mtu=1400", "--validate"]


def test_the_old_file_is_back_when_docker_does_not_start(
    module: ModuleType, node: Path, systemd: DockerUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(module, WANTED)
    before = (node / FILE).read_text()
    run = systemd.run

    def refuse(argv: list[str], timeout: float) -> subprocess.CompletedProcess:
        systemd.fails_to_start = {"docker.service"} if "nope" in (node / FILE).read_text() else set()
        return run(argv, timeout)

    monkeypatch.setattr(module.kprov_systemd, "run", refuse)
    with pytest.raises(module.DaemonError, match=r"json-file.* -> .*nope(?s:.*)is back and the engine runs on it"):
        apply(module, {**WANTED, "log-driver": "nope"})
    assert (node / FILE).read_text() == before
    assert systemd.units["docker.service"]["ActiveState"] == "active"
    assert apply(module, {"exec-opts": WANTED["exec-opts"]})["changes"][0] == 'log-driver: "json-file" removed'


def test_without_a_file_before_there_is_none_after_a_failed_start(
    module: ModuleType, node: Path, systemd: DockerUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = systemd.run

    def refuse(argv: list[str], timeout: float) -> subprocess.CompletedProcess:
        systemd.fails_to_start = {"docker.service"} if (node / FILE).exists() else set()
        return run(argv, timeout)

    monkeypatch.setattr(module.kprov_systemd, "run", refuse)
    with pytest.raises(module.DaemonError):
        apply(module, WANTED)
    assert not (node / FILE).exists()


def test_a_run_that_was_killed_before_the_restart_still_knows_the_good_file(
    module: ModuleType, node: Path, systemd: DockerUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(module, WANTED)
    good = (node / FILE).read_text()
    with monkeypatch.context() as killed:
        killed.setattr(module.kprov_systemd, "apply", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            apply(module, {**WANTED, "mtu": 1})
        with pytest.raises(KeyboardInterrupt):
            apply(module, {**WANTED, "mtu": 2})
    run = systemd.run

    def refuse(argv: list[str], timeout: float) -> subprocess.CompletedProcess:
        systemd.fails_to_start = {"docker.service"} if "mtu" in (node / FILE).read_text() else set()
        return run(argv, timeout)

    monkeypatch.setattr(module.kprov_systemd, "run", refuse)
    with pytest.raises(module.DaemonError, match="is back"):
        apply(module, {**WANTED, "mtu": 2})
    assert (node / FILE).read_text() == good


def test_an_unreadable_file_stays_and_nothing_is_restarted(module: ModuleType, node: Path, systemd: DockerUnit) -> None:
    put(node, "{\n  “graph”: “/data/docker”,\n}")
    with pytest.raises(module.ConfigError, match="line 2, column 3: “ is a typographic quote"):
        apply(module, WANTED)
    assert (node / FILE).read_text().startswith("{\n  “graph”")
    assert systemd.calls == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data-root": "/data/docker"}, "Set container_runtime_root: /var/lib/docker"),
        ({"storage-driver": "vfs"}, "Set container_runtime_docker_storage_driver: overlay2"),
    ],
)
def test_data_does_not_go_out_of_sight(
    module: ModuleType, node: Path, engine: Engine, change: dict[str, str], said: str
) -> None:
    engine.information |= {"Images": 9, "Containers": 17}
    with pytest.raises(module.DaemonError, match=said):
        apply(module, {**WANTED, **change})
    assert not (node / FILE).exists()


def test_taking_data_root_away_is_a_change_of_it(module: ModuleType, node: Path, engine: Engine) -> None:
    engine.information["DockerRootDir"] = "/data/docker"
    apply(module, {**WANTED, "data-root": "/data/docker"})
    engine.information["Images"] = 1
    with pytest.raises(module.DaemonError, match="would become /var/lib/docker"):
        apply(module, WANTED)


def test_check_mode_writes_nothing(module: ModuleType, node: Path, systemd: DockerUnit, tree: Any) -> None:
    put(node, "{}")
    before = tree()
    result = apply(module, WANTED, check_mode=True)
    assert result["changed"]
    assert "restart docker.service" in result["changes"]
    assert (tree(), systemd.calls) == (before, [])


def test_an_engine_that_runs_with_other_values_is_an_error(module: ModuleType, node: Path, engine: Engine) -> None:
    engine.information["CgroupDriver"] = "cgroupfs"
    with pytest.raises(module.DaemonError, match=r"native\.cgroupdriver is 'cgroupfs', not 'systemd'"):
        apply(module, WANTED)


def test_a_value_of_somebody_else_is_a_warning(module: ModuleType, node: Path) -> None:
    put(node, '{"log-driver": "journald"}')
    (warning,) = apply(module, WANTED)["warnings"]
    assert '"journald" -> "json-file"' in warning


def test_insecure_registries_and_mirrors_are_read_back(module: ModuleType, node: Path, engine: Engine) -> None:
    registries = {"registry-mirrors": ["http://m:5000"], "insecure-registries": ["r:80", "10.0.0.0/8"]}
    engine.information["RegistryConfig"] = {"Mirrors": ["http://m:5000/"], "IndexConfigs": {"r:80": {"Secure": False}}}
    with pytest.raises(module.DaemonError, match=r"insecure-registries lacks 10\.0\.0\.0/8"):
        apply(module, {**WANTED, **registries})
    engine.information["RegistryConfig"]["InsecureRegistryCIDRs"] = ["10.0.0.0/8"]
    assert apply(module, {**WANTED, **registries})["warnings"] == []
