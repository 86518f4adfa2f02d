"""kprov_machine, with a machine that is a directory and a systemd that knows some units."""

from __future__ import annotations

import json

import pytest


class Systemd:
    """Answers `systemctl show` and `systemctl enable --now`."""

    def __init__(self, **states):
        self.states = {f"{name}.service": state for name, state in states.items()}
        self.calls = []
        self.starts = True

    def __call__(self, argv):
        if argv[1] == "show":
            blocks = []
            for name in argv[argv.index("--") + 1 :]:
                state = self.states.get(name)
                loaded = "loaded" if state else "not-found"
                blocks.append(f"Id={name}\nLoadState={loaded}\nActiveState={state or 'inactive'}\n")
            return 0, "\n".join(blocks)
        self.calls.append(argv[1:])
        if self.starts:
            self.states[argv[-1]] = "active"
        return 0, ""


@pytest.fixture
def module(plugin, monkeypatch):
    found = plugin("modules", "kprov_machine")
    monkeypatch.setattr(found, "START_DEADLINE", 0)
    return found


@pytest.fixture
def apply(module, node):
    names = []

    def call(check_mode=False, systemd=None, **parameters):
        wanted = {"phase": "os", "hostname": "", "hosts": {}, "time_sync": "keep", **parameters}
        return module.apply(wanted, module.Machine(systemd or Systemd(), names.append), check_mode)

    call.names = names
    return call


def test_service_that_runs_is_kept_and_recorded(apply, node):
    systemd = Systemd(chrony="inactive", ntpd="active")
    result = apply(systemd=systemd, time_sync="auto")
    assert (result["changed"], result["time_service"], systemd.calls) == (False, "ntpd.service", [])
    dirty = json.loads((node / "var/lib/kprov/phases/os.dirty").read_text())
    assert dirty["parts"]["kprov_machine"]["units"] == {"ntpd.service": {"start_if": None}}


def test_first_installed_service_is_started_when_none_runs(apply):
    systemd = Systemd(ntp="inactive", **{"systemd-timesyncd": "inactive"})
    assert apply(systemd=systemd, time_sync="auto", check_mode=True)["changes"] == [
        "enable and start systemd-timesyncd.service"
    ]
    assert systemd.calls == []
    assert apply(systemd=systemd, time_sync="auto")["time_service"] == "systemd-timesyncd.service"
    assert systemd.calls == [["enable", "--now", "--", "systemd-timesyncd.service"]]
    assert not apply(systemd=systemd, time_sync="auto")["changed"]


def test_service_that_does_not_start_is_a_warning(apply):
    systemd = Systemd(chrony="inactive")
    systemd.starts = False
    result = apply(systemd=systemd, time_sync="auto")
    assert result["warnings"] == ["chrony.service does not run; nothing keeps this machine's clock"]
    assert not result["time_missing"]  # installing it again would not help


def test_no_service_is_installed(apply):
    assert apply(time_sync="auto")["time_missing"]
    assert not apply(time_sync="keep")["time_missing"]


def test_clock_of_a_container_is_left_alone(apply, node):
    (node / "run/systemd").mkdir(parents=True)
    (node / "run/systemd/container").write_text("docker\n")
    systemd = Systemd(chrony="inactive")
    assert not apply(systemd=systemd, time_sync="auto")["time_missing"]
    assert systemd.calls == []


def test_block_in_hosts_is_replaced_where_it_is_and_goes_with_the_last_entry(apply, node):
    path = node / "etc/hosts"
    path.write_text("127.0.0.1 localhost")
    assert apply(hosts={"192.0.2.2": ["b"], "192.0.2.1": ["a", "a.example"]})["changes"] == ["/etc/hosts"]
    lines = path.read_text().splitlines()
    assert lines[0] == "127.0.0.1 localhost"
    assert lines[2:4] == ["192.0.2.1 a a.example", "192.0.2.2 b"]
    path.write_text(path.read_text() + "192.0.2.9 theirs\n")
    assert apply(hosts={"192.0.2.1": ["a"]})["changed"]
    assert path.read_text().splitlines()[2:] == ["192.0.2.1 a", "# END kprov", "192.0.2.9 theirs"]
    assert not apply(hosts={"192.0.2.1": ["a"]})["changed"]
    apply()
    assert path.read_text() == "127.0.0.1 localhost\n192.0.2.9 theirs\n"


def test_hostname_now_and_after_a_boot(apply, node):
    (node / "etc/hostname").write_text("old\n")
    (node / "proc/sys/kernel").mkdir()
    (node / "proc/sys/kernel/hostname").write_text("old\n")
    assert apply(hostname="")["changes"] == []
    assert apply(hostname="w1", check_mode=True)["changes"] == ["/etc/hostname", "hostname: old -> w1"]
    assert apply.names == []
    apply(hostname="w1")
    assert (node / "etc/hostname").read_text() == "w1\n"
    assert (node / "var/lib/kprov/originals/etc/hostname").read_text() == "old\n"
    assert apply.names == ["w1"]
