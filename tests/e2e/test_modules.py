"""kprov's modules on a real node with systemd: a small role with all of the generic ones, run by ansible-playbook.

Runs on a lab of its own. KPROV_E2E_INVENTORY names the inventory of one that is there already; its last host is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeLab

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
UNIT = "kprov-e2e.service"
TASKS = f"""
- kprov_files:
    phase: e2e
    modes: {{/etc/kprov-e2e/secret: "0600"}}
    validate: {{/etc/kprov-e2e/main.conf: "grep -q '^valid' %s"}}
    each:
      - {{template: etc/kprov-e2e/each.j2, items: "{{{{ entries }}}}", path: "/etc/kprov-e2e/each/{{key}}/file"}}
- kprov_kernel:
    phase: e2e
    modules: [overlay]
    sysctl: {{net.ipv4.ip_forward: 1}}
- kprov_units:
    phase: e2e
    deadline: 20
    units:
      - name: {UNIT}
        restart_on: [/etc/kprov-e2e/main.conf, /etc/systemd/system/{UNIT}]
        ready: "{{{{ ready }}}}"
    record: {{cluster: "{{{{ cluster_name }}}}", fingerprints: "{{{{ kprov_fingerprints }}}}"}}
"""
TEMPLATES = {
    f"etc/systemd/system/{UNIT}.j2": "[Unit]\nDescription=kprov's e2e test\n[Service]\nExecStart=/bin/sleep infinity\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "etc/kprov-e2e/main.conf.j2": "{{ main }}\n",
    "etc/kprov-e2e/secret.j2": "hunter2\n",
    "etc/kprov-e2e/optional.j2": "{% if optional %}\nthere\n{% endif %}\n",
    "etc/kprov-e2e/each.j2": "{{ item.value }}\n",
}
CLEAN = f"""
systemctl disable --now {UNIT} 2>/dev/null
rm -rf /etc/kprov-e2e /etc/systemd/system/{UNIT} /var/lib/kprov/phases/e2e.* /var/lib/kprov/units/{UNIT}.json
systemctl daemon-reload
"""


@dataclass
class Playbook:
    """The role on one node."""

    directory: Path
    inventory: Path
    host: str
    variables: dict[str, Any] = field(
        default_factory=lambda: {
            "main": "valid 1",
            "optional": True,
            "entries": {"a.example": 1, "b:5000": 2},
            "ready": ["/bin/true"],
            "kprov_fingerprints": {"e2e": {"input": "1"}},
            "cluster_name": "e2e",
        }
    )

    def command(self, *options: str, playbooks: tuple[str, ...] = ("play.yml",)) -> list[str]:
        """The command line; variables travel in a file."""
        variables = self.directory / "variables.json"
        variables.write_text(json.dumps({**self.variables, "host": self.host}))
        return [str(BIN / "ansible-playbook"), "-i", str(self.inventory), "-e", f"@{variables}", *options, *playbooks]

    def environment(self, **values: str) -> dict[str, str]:
        """Settings of the project, roles of this test."""
        roles = str(self.directory / "roles")
        return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_ROLES_PATH": roles, **values}

    def run(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        self.variables.update(variables)
        return self.run_command(self.command(*options))

    def run_command(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command of ansible."""
        return subprocess.run(
            argv, cwd=self.directory, env=self.environment(), capture_output=True, text=True, check=False, timeout=180
        )

    def changed(self, *options: str, **variables: Any) -> int:
        """How many tasks changed something; the run must succeed."""
        done = self.run(*options, **variables)
        assert done.returncode == 0, done.stdout
        found = re.search(r"changed=(\d+)", done.stdout)
        assert found
        return int(found.group(1))

    def exists(self, path: str) -> bool:
        """Whether a path is there on the node."""
        answer = self.node(f"test -e {path} && echo yes || echo no")
        assert answer in ("yes", "no"), answer
        return answer == "yes"

    def node(self, script: str) -> str:
        """Output of a shell script on the node, as root."""
        argv = [str(BIN / "ansible"), "-i", str(self.inventory), self.host, "-b", "-m", "raw", "-a", script]
        done = self.run_command(argv)
        return "\n".join(
            line for line in done.stdout.splitlines()[1:] if not line.startswith("Shared connection")
        ).strip()


@pytest.fixture(scope="module")
def inventory(make_lab: MakeLab) -> Path:
    """Inventory of a lab."""
    given = os.environ.get("KPROV_E2E_INVENTORY")
    return Path(given) if given else make_lab("modules", control_planes=1, workers=0).inventory


@pytest.fixture
def playbook(inventory: Path, tmp_path: Path) -> Iterator[Playbook]:
    """The role, on a node that does not know it."""
    role = tmp_path / "roles/e2e"
    for name, text in {"tasks/main.yml": TASKS, **{f"templates/{k}": v for k, v in TEMPLATES.items()}}.items():
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_text(text)
    (tmp_path / "play.yml").write_text("- {hosts: '{{ host }}', gather_facts: false, become: true, roles: [e2e]}\n")
    for name in ("lock.yml", "unlock.yml"):
        shutil.copy(ROOT / "playbooks" / name, tmp_path / name)
    argv = [str(BIN / "ansible-inventory"), "-i", str(inventory), "--list"]
    listed = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    playbook = Playbook(tmp_path, inventory, sorted(listed["_meta"]["hostvars"])[-1])
    playbook.node(CLEAN)
    yield playbook
    playbook.node(CLEAN)


def test_second_run_changes_nothing(playbook: Playbook) -> None:
    assert playbook.changed() >= 2
    record = json.loads(playbook.node("cat /var/lib/kprov/phases/e2e.json"))
    assert record["fingerprint"] == {"input": "1"}
    assert record["units"] == {UNIT: {"start_if": None}}
    assert len(record["files"]) == 6
    started = playbook.node(f"systemctl show -P InvocationID {UNIT}")
    assert playbook.changed() == 0
    assert playbook.node(f"systemctl show -P InvocationID {UNIT}") == started
    assert not playbook.exists("/var/lib/kprov/phases/e2e.dirty")


def test_check_mode_reports_and_leaves_no_trace(playbook: Playbook) -> None:
    everything = "find /var/lib/kprov /etc/kprov-e2e /etc/systemd/system -printf '%p %T@ %C@\\n' 2>/dev/null | sort"
    before = playbook.node(everything)
    done = playbook.run("--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert "+valid 1" in done.stdout
    assert "hunter2" not in done.stdout
    assert playbook.node(everything) == before


def test_change_is_written_restarted_and_pruned(playbook: Playbook) -> None:
    playbook.run()
    started = playbook.node(f"systemctl show -P InvocationID {UNIT}")
    assert playbook.changed(main="valid 2", optional=False, entries={"b:5000": 3}) == 2  # files; units, with the record
    assert playbook.node(f"systemctl show -P InvocationID {UNIT}") != started
    assert playbook.node("cd /etc/kprov-e2e && find . -type f | sort").split() == [
        "./each/b:5000/file",
        "./main.conf",
        "./secret",
    ]
    assert playbook.changed() == 0


def test_invalid_file_changes_nothing(playbook: Playbook) -> None:
    playbook.run()
    done = playbook.run(main="bad", optional=False)
    assert done.returncode == 2
    assert "/etc/kprov-e2e/main.conf is not valid, nothing was changed" in done.stdout
    assert playbook.node("cat /etc/kprov-e2e/main.conf /etc/kprov-e2e/optional").split() == ["valid", "1", "there"]


def test_unit_with_a_line_that_systemd_does_not_know_is_not_restarted(playbook: Playbook) -> None:
    playbook.run()
    started = playbook.node(f"systemctl show -P InvocationID {UNIT}")
    template = playbook.directory / f"roles/e2e/templates/etc/systemd/system/{UNIT}.j2"
    good = template.read_text()
    template.write_text(good.replace("[Install]", "LimitNOFILES=5\n[Install]"))
    done = playbook.run()
    assert done.returncode == 2
    assert f"{UNIT} was left as it runs" in done.stdout
    assert "LimitNOFILES" in done.stdout
    assert playbook.node(f"systemctl show -P InvocationID {UNIT}") == started
    assert playbook.exists("/var/lib/kprov/phases/e2e.dirty")
    template.write_text(good)
    assert playbook.changed() > 0
    assert playbook.changed() == 0


def test_run_that_dies_before_the_restart_is_made_good_by_the_next(playbook: Playbook) -> None:
    playbook.run()
    started = playbook.node(f"systemctl show -P InvocationID {UNIT}")
    playbook.variables["main"] = "valid 2"
    stop_when(playbook, lambda event: event["event"] == "start" and event["module"] == "kprov_kernel")
    assert playbook.exists("/var/lib/kprov/phases/e2e.dirty")
    assert playbook.changed() >= 1
    assert playbook.node(f"systemctl show -P InvocationID {UNIT}") != started
    assert playbook.changed() == 0


def stop_when(playbook: Playbook, condition: Callable[[dict[str, Any]], bool]) -> None:
    """Run it as kprov does, and at some event be the kprov that was killed: nobody reads its events any more."""
    reader, writer = os.pipe()
    environment = playbook.environment(KPROV_EVENT_FD=str(writer), ANSIBLE_CALLBACKS_ENABLED="kprov_events")
    process = subprocess.Popen(
        playbook.command(),
        cwd=playbook.directory,
        env=environment,
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as events:
        for line in events:
            if condition(json.loads(line)):
                break
    assert process.wait(60) == 141


def test_next_run_waits_for_the_module_of_a_killed_one(playbook: Playbook) -> None:
    playbook.variables["ready"] = ["/bin/sh", "-c", "sleep 4; echo slept >> /run/kprov-e2e-order"]
    playbook.node("rm -f /run/kprov-e2e-order")
    process = subprocess.Popen(
        playbook.command(),
        cwd=playbook.directory,
        env=playbook.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    for line in process.stdout:
        if "kprov_units" in line:
            break
    playbook.node("for i in $(seq 100); do pgrep -f 'sleep 4' >/dev/null && break; sleep 0.1; done")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert playbook.changed(ready=["/usr/bin/test", "-e", "/run/kprov-e2e-order"]) >= 0
    assert playbook.node("cat /run/kprov-e2e-order") == "slept"


def test_lock_of_somebody_else_stops_the_whole_run(playbook: Playbook) -> None:
    def lock(run: str, controller: str) -> dict[str, str]:
        return {"run_id": run, "controller_id": controller, "holder": f"me@{controller}", "operation": "up"}

    def run(*playbooks: str, **owner: Any) -> subprocess.CompletedProcess[str]:
        playbook.variables.update(lock_host=playbook.host, kprov_lock=owner)
        return playbook.run_command(playbook.command(playbooks=playbooks))

    try:
        assert run("lock.yml", **lock("1", "laptop")).returncode == 0
        second = run("lock.yml", "play.yml", "unlock.yml", **lock("2", "ci"))
        assert second.returncode == 2
        assert "the cluster is locked: me@laptop runs `kprov up`" in second.stdout
        assert not playbook.exists("/etc/kprov-e2e")
    finally:
        assert run("unlock.yml", **lock("1", "laptop")).returncode == 0
    assert run("lock.yml", "play.yml", "unlock.yml", **lock("2", "ci")).returncode == 0
    assert not playbook.exists("/var/lib/kprov/lock.json")
