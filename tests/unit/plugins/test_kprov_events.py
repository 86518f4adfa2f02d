"""The event callback, in one real run of ansible-playbook on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"
ANSIBLE = Path(sys.executable).parent / "ansible-playbook"
TASKS = """
- {name: Plain, ansible.builtin.command: "true"}
- {name: Secret, ansible.builtin.command: echo hunter2, no_log: true}
- {name: Fails, ansible.builtin.command: "sh -c 'echo because >&2; exit 3'", ignore_errors: true, delegate_to: two}
- {name: Skipped, ansible.builtin.command: "true", when: false}
- {name: Loop, ansible.builtin.command: "{{ item }}", loop: ["true", "true"]}
- {name: Decide, ansible.builtin.include_tasks: more.yml}
"""
MORE = "- {name: Inner, ansible.builtin.debug: {msg: hello}}\n"


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("events")
    tasks = directory / "roles/demo/tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(TASKS)
    (tasks / "more.yml").write_text(MORE)
    (directory / "play.yml").write_text("- {name: Play, hosts: one, gather_facts: false, roles: [demo]}\n")
    return directory


def start(directory: Path) -> tuple[subprocess.Popen, int]:
    """ansible-playbook with the callback, and the end of the pipe to read."""
    reader, writer = os.pipe()
    environment = {
        **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "kprov_events",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "KPROV_EVENT_FD": str(writer),
        "LC_ALL": "C.UTF-8",
    }
    argv = [str(ANSIBLE), "-i", "one,two,", "-c", "local", "play.yml"]
    process = subprocess.Popen(
        argv, cwd=directory, env=environment, pass_fds=(writer,), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.close(writer)
    return process, reader


@pytest.fixture(scope="module")
def events(directory) -> list[dict]:
    process, reader = start(directory)
    with os.fdopen(reader) as pipe:
        found = [json.loads(line) for line in pipe]
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert b"Callback" not in output, output  # Ansible only warns when a callback raises
    return found


def result(events, task):
    (found,) = (e for e in events if e.get("task") == task and e["event"] in ("ok", "skip", "failed"))
    return found


def test_order_of_events(events):
    names = [event["event"] for event in events]
    assert names[:5] == ["playbook", "play", "task", "start", "ok"]
    assert names[-1] == "stats"
    assert all(event["time"] > 0 for event in events)


def test_every_event_says_where_it_belongs(events):
    plain = result(events, "Plain")
    assert (plain["play"], plain["phase"], plain["role"], plain["host"]) == ("Play", "demo", "demo", "one")
    assert plain["module"] == "ansible.builtin.command"
    assert plain["changed"] is True


def test_failure_says_why_and_where_it_really_ran(events):
    failed = result(events, "Fails")
    assert (failed["event"], failed["ignored"], failed["delegate"]) == ("failed", True, "two")
    assert failed["msg"] == "non-zero return code\nbecause"


def test_nothing_secret_and_no_results(events):
    assert result(events, "Secret")["msg"] is None
    assert "hunter2" not in json.dumps(events)
    assert not any("stdout" in event or "result" in event for event in events)


def test_module_calls_count_what_ran_on_hosts(events):
    calls = {
        task: result(events, task)["module_calls"] for task in ("Plain", "Fails", "Skipped", "Loop", "Decide", "Inner")
    }
    assert calls == {"Plain": 1, "Fails": 1, "Skipped": 0, "Loop": 2, "Decide": 0, "Inner": 0}


def test_statistics_come_last(events):
    assert events[-1]["hosts"]["one"]["ignored"] == 1


def test_run_ends_when_nobody_reads_any_more(directory):
    process, reader = start(directory)
    with os.fdopen(reader) as pipe:
        for line in pipe:
            if json.loads(line)["event"] == "start":
                break
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 141, output
    assert b"TASK [demo : Fails]" not in output


def test_changes_of_kprovs_modules_are_listed_in_short(plugin):
    changes = plugin("callback", "kprov_events").changes
    assert changes({"changed_files": ["/etc/a"], "removed_files": ["/etc/b"], "changes": ["start c"]}) == [
        "/etc/a",
        "removed /etc/b",
        "start c",
    ]
