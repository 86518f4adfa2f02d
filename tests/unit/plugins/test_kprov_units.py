"""kprov_units, with a systemd that is a dictionary."""

from __future__ import annotations

import subprocess
import time

import pytest


class Systemd:
    """Answers systemctl and journalctl; `calls` are those that change something."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.fails_to_start: set[str] = set()
        self.ready = [0]
        self.faults = ""

    def add(self, name: str, active="inactive", enabled="disabled", **properties: str) -> None:
        self.units[name] = {
            "LoadState": "loaded",
            "ActiveState": active,
            "SubState": "running" if active == "active" else "dead",
            "UnitFileState": enabled,
            "NeedDaemonReload": "no",
            "InvocationID": "1",
            "ExecMainStartTimestampMonotonic": str(int(time.monotonic() * 1e6)) if active == "active" else "0",
            "ActiveEnterTimestampMonotonic": "0",
            **properties,
        }

    def run(self, argv: list[str], timeout: float) -> subprocess.CompletedProcess:
        if argv[0] == "journalctl":
            return done(0, "panic: no such port\n")
        if argv[0] == "systemd-analyze":
            return done(1 if self.faults else 0, self.faults)
        if argv[0] != "systemctl":
            return done(self.ready.pop(0) if len(self.ready) > 1 else self.ready[0], "not yet")
        verb, names = argv[1], argv[argv.index("--") + 1 :] if "--" in argv else []
        if verb == "show":
            missing = {
                "LoadState": "not-found",
                "ActiveState": "inactive",
                "UnitFileState": "",
                "NeedDaemonReload": "no",
            }
            blocks = [self.units.get(name, missing) for name in names]
            return done(0, "\n\n".join("\n".join(f"{k}={v}" for k, v in block.items()) for block in blocks) + "\n")
        self.calls.append(" ".join([verb, *names]))
        for name in names:
            unit = self.units[name]
            if verb == "enable":
                unit["UnitFileState"] = "enabled"
            if verb in ("start", "restart"):
                if name in self.fails_to_start:
                    unit["ActiveState"] = "failed"
                    return done(1, f"Job for {name} failed")
                unit.update(ActiveState="active", InvocationID=unit["InvocationID"] + "1")
                unit["ExecMainStartTimestampMonotonic"] = str(int(time.monotonic() * 1e6))
            if verb == "stop":
                unit["ActiveState"] = "inactive"
        if verb == "daemon-reload":
            for unit in self.units.values():
                unit["NeedDaemonReload"] = "no"
        return done(0, "")


def done(code: int, output: str) -> subprocess.CompletedProcess:
    return subprocess.CompletedProcess([], code, stdout=output)


@pytest.fixture
def systemd():
    return Systemd()


@pytest.fixture
def module(plugin, systemd, monkeypatch):
    from ansible.module_utils import kprov_systemd

    monkeypatch.setattr(kprov_systemd, "run", systemd.run)
    return plugin("modules", "kprov_units")


def unit(name="a.service", **values):
    return {
        "name": name,
        "state": "started",
        "enabled": True,
        "start_if": None,
        "restart_on": [],
        "ready": [],
        **values,
    }


def apply(module, *units, **values):
    return module.apply("p", list(units), values.pop("deadline", 5), **values)


def test_starts_and_enables_then_does_nothing(node, module, systemd):
    systemd.add("a.service")
    (node / "etc/a").write_text("1")
    first = apply(module, unit(restart_on=["/etc/a"]))
    assert first["changes"] == ["enable a.service", "start a.service"]
    systemd.calls.clear()
    assert apply(module, unit(restart_on=["/etc/a"])) == {"changed": False, "changes": []}
    assert systemd.calls == []


def test_restarts_when_a_watched_file_differs_from_the_last_good_start(node, module, systemd):
    systemd.add("a.service")
    (node / "etc/a").write_text("1")
    apply(module, unit(restart_on=["/etc/a"]))
    (node / "etc/a").write_text("2")
    assert apply(module, unit(restart_on=["/etc/a"]))["changes"] == ["restart a.service"]
    assert apply(module, unit(restart_on=["/etc/a"]))["changes"] == []


def test_restart_that_failed_is_tried_again(node, module, systemd):
    systemd.add("a.service")
    (node / "etc/a").write_text("1")
    apply(module, unit(restart_on=["/etc/a"]))
    (node / "etc/a").write_text("2")
    systemd.fails_to_start.add("a.service")
    with pytest.raises(module.UnitError):
        apply(module, unit(restart_on=["/etc/a"]))
    systemd.fails_to_start.clear()
    systemd.units["a.service"]["ActiveState"] = "active"  # somebody started it, on who knows what
    assert apply(module, unit(restart_on=["/etc/a"]))["changes"] == ["restart a.service"]


def test_file_that_is_as_before_a_bad_start_is_read_again(node, module, systemd):
    systemd.add("a.service")
    (node / "etc/a").write_text("good")
    apply(module, unit(restart_on=["/etc/a"]))
    (node / "etc/a").write_text("bad")
    systemd.ready = [1]
    with pytest.raises(module.UnitError, match=r"a\.service runs, but"):
        apply(module, unit(restart_on=["/etc/a"], ready=["/bin/probe"], deadline=0.01))
    (node / "etc/a").write_text("good")  # the record knows this digest, but what runs has read the other file
    systemd.ready = [0]
    wanted = unit(restart_on=["/etc/a"], ready=["/bin/probe"])
    assert apply(module, wanted)["changes"] == ["restart a.service"]
    assert apply(module, wanted)["changes"] == []


def test_start_after_a_reboot_has_read_the_files(node, module, systemd):
    systemd.add("a.service")
    (node / "etc/a").write_text("1")
    apply(module, unit(restart_on=["/etc/a"]))
    later = str(int((time.monotonic() + 60) * 1e6))
    systemd.units["a.service"].update(InvocationID="after the reboot", ExecMainStartTimestampMonotonic=later)
    assert apply(module, unit(restart_on=["/etc/a"]))["changes"] == []


@pytest.mark.parametrize(("started", "changes"), [(-3600, ["restart a.service"]), (60, [])])
def test_without_a_record_a_unit_older_than_its_files_restarts(node, module, systemd, started, changes):
    (node / "etc/a").write_text("1")
    microseconds = str(int((time.monotonic() + started) * 1e6))
    systemd.add("a.service", "active", "enabled", ExecMainStartTimestampMonotonic=microseconds)
    assert apply(module, unit(restart_on=["/etc/a"]))["changes"] == changes


def test_without_start_if_the_unit_is_enabled_only(node, module, systemd):
    systemd.add("kubelet.service")
    wanted = unit("kubelet.service", start_if="/etc/kubernetes/kubelet.conf")
    assert apply(module, wanted)["changes"] == ["enable kubelet.service"]
    assert apply(module, wanted)["changes"] == []
    (node / "etc/kubernetes").mkdir()
    (node / "etc/kubernetes/kubelet.conf").touch()
    assert apply(module, wanted)["changes"] == ["start kubelet.service"]


def test_reloads_systemd_when_it_has_old_unit_files(node, module, systemd):
    systemd.add("a.service", "active", "enabled", NeedDaemonReload="yes")
    apply(module, unit())
    assert systemd.calls == ["daemon-reload"]


def test_check_mode_says_what_would_happen_and_does_nothing(node, module, systemd, tree):
    systemd.add("a.service")
    before = tree()
    assert apply(module, unit(), check_mode=True)["changes"] == ["enable a.service", "start a.service"]
    assert (systemd.calls, tree()) == ([], before)


def test_stops_and_disables(node, module, systemd):
    systemd.add("a.service", "active", "enabled")
    assert apply(module, unit(state="stopped", enabled=False))["changes"] == ["disable a.service", "stop a.service"]


def test_failed_start_shows_the_journal_and_records_nothing(node, module, systemd):
    systemd.add("a.service")
    systemd.fails_to_start.add("a.service")
    with pytest.raises(module.UnitError, match=r"Job for a.service failed(?s:.*)panic: no such port"):
        apply(module, unit())
    assert not (node / "var/lib/kprov/units").exists()


def test_waits_until_ready(node, module, systemd):
    systemd.add("a.service", "active", "enabled")
    systemd.ready = [1, 1, 0]
    apply(module, unit(ready=["/bin/probe"]))
    assert systemd.ready == [0]


def test_not_ready_in_time_is_an_error_that_says_what_was_waited_for(node, module, systemd):
    systemd.add("a.service", "active", "enabled")
    systemd.ready = [1]
    with pytest.raises(module.UnitError, match=r"a.service runs, but `/bin/probe` did not succeed within 0 s: not yet"):
        apply(module, unit(ready=["/bin/probe"]), deadline=0)


def test_unknown_unit_is_an_error(node, module, systemd):
    with pytest.raises(module.UnitError, match=r"systemd does not know a.service"):
        apply(module, unit())


def test_unit_whose_own_file_has_a_fault_is_left_as_it_runs(node, module, systemd):
    from ansible.module_utils.kprov_systemd import UnitError

    drop_in = "/etc/systemd/system/a.service.d/10-kprov.conf"
    systemd.add("a.service", active="active", enabled="enabled", ExecMainStartTimestampMonotonic="1")
    (node / drop_in[1:]).parent.mkdir(parents=True)
    (node / drop_in[1:]).write_text("[Service]\nLimitNOFILES=1\n")
    systemd.faults = f"{drop_in}:2: Unknown key name 'LimitNOFILES' in section 'Service', ignoring.\n"
    with pytest.raises(UnitError, match=r"left as it runs.*LimitNOFILES"):
        apply(module, unit(restart_on=[drop_in]))
    assert systemd.calls == []
    systemd.faults = systemd.faults.replace("a.service.d", "b.service.d")
    assert apply(module, unit(restart_on=[drop_in]))["changes"] == ["restart a.service"]


def test_files_and_the_units_that_run_on_them_in_one_call(node, systemd, plugin, monkeypatch):
    from ansible.module_utils import kprov_systemd

    monkeypatch.setattr(kprov_systemd, "run", systemd.run)
    files, action = plugin("modules", "kprov_files"), plugin("action", "kprov_files")
    systemd.add("a.service", active="active", enabled="enabled")

    def run(text, check_mode=False):
        sent = action.pack({"/etc/a": {"text": text, "mode": 0o644, "validate": None}})
        parameters = {"phase": "p", "files": sent, "units": [unit(restart_on=["/etc/a"])]}
        result = files.run(parameters, check_mode)
        return result["changed"], result["changed_files"], result["changes"]

    assert run("1\n") == (True, ["/etc/a"], ["restart a.service"])
    assert run("1\n") == (False, [], [])
    assert run("2\n", check_mode=True)[:2] == (True, ["/etc/a"])
    assert run("2\n") == (True, ["/etc/a"], ["restart a.service"])
