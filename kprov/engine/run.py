"""One ansible-playbook process: its files, its events, its end.

It dies with kprov (parent-death signal), gets Ctrl-C once, and never sees the user's Ansible settings.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.content import content_root
from kprov.engine.events import Event, parse_event
from kprov.engine.settings import ansible_cfg, environment

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class AnsibleRun:
    """What to run. inventories: sources in order, the generated one last; variables: extra vars, passed by file."""

    playbooks: Sequence[str]
    user_inventory: Path
    generated: Mapping[str, Any]
    variables: Mapping[str, Any]
    log: Path
    check: bool = False
    accept_new_host_keys: bool = False


@dataclass
class Outcome:
    """What came of it. calls: host -> module executions; changed: hosts on which something changed."""

    exit_code: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    failures: list[Event] = field(default_factory=list)
    warnings: list[Event] = field(default_factory=list)  # of kprov's own modules
    finished: set[tuple[str, str]] = field(default_factory=set)  # (phase, host) whose record was written
    interrupted: bool = False

    def add(self, event: Event) -> None:
        """Account for one event."""
        where = event.delegate or event.host
        if event.module_calls and where:
            self.calls[where] = self.calls.get(where, 0) + event.module_calls
        if event.event == "ok" and event.changed and where:
            self.changed.add(where)
        if event.event == "ok" and event.recorded and event.phase and event.host:
            self.finished.add((event.phase, event.host))
        if event.warnings and (event.module or "").startswith("kprov_"):
            self.warnings.append(event)
        if event.event in {"failed", "unreachable"} and not event.ignored:
            self.failures.append(event)

    @property
    def failed_hosts(self) -> set[str]:
        """Hosts that Ansible gave up on."""
        return {event.host for event in self.failures if event.host}


def run_ansible(run: AnsibleRun, on_event: Callable[[Event], None]) -> Outcome:
    """Run the playbooks; every event goes to on_event as it happens. Never raises for a failed task: see Outcome."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="kprov-") as private:
        argv, config = _prepare(run, Path(private))
        read_end, write_end = os.pipe()
        with run.log.open("ab") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                argv,
                cwd=private,
                env=environment(config, write_end),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(write_end,),
                start_new_session=True,  # the terminal's Ctrl-C reaches kprov alone, which forwards it once
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no other thread runs yet
            )
        os.close(write_end)
        try:
            _read_events(read_end, process, outcome, on_event)
        finally:
            _end(process)
        outcome.exit_code = process.returncode
    return outcome


def _prepare(run: AnsibleRun, private: Path) -> tuple[list[str], Path]:
    hosts = len(run.generated["all"]["hosts"])
    config = _write(private / "ansible.cfg", ansible_cfg(hosts, accept_new_host_keys=run.accept_new_host_keys))
    generated = _write(private / "generated.yml", json.dumps(run.generated))
    variables = _write(private / "variables.json", json.dumps(run.variables))
    # One file: of several, ansible-playbook would run none after one on which any host failed.
    imports = [{"import_playbook": str(content_root() / "playbooks" / f"{name}.yml")} for name in run.playbooks]
    playbook = _write(private / "run.yml", json.dumps(imports))
    argv = [_ansible_playbook(), "-i", str(run.user_inventory.resolve()), "-i", str(generated), "-e", f"@{variables}"]
    # Ansible tags its own validation of a role's variables "always". kprov has validated them, for all hosts at once;
    # doing it again costs two tasks per role and host.
    argv += ["--skip-tags", "always"]
    if run.check:
        argv += ["--check", "--diff"]
    return [*argv, str(playbook)], config


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def _ansible_playbook() -> str:
    beside = Path(sys.executable).parent / "ansible-playbook"
    return str(beside) if beside.exists() else shutil.which("ansible-playbook") or "ansible-playbook"


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _read_events(
    read_end: int, process: subprocess.Popen[bytes], outcome: Outcome, on_event: Callable[[Event], None]
) -> None:
    with os.fdopen(read_end, encoding="utf-8", errors="replace") as events:
        while True:
            try:
                line = events.readline()
            except KeyboardInterrupt:
                if outcome.interrupted:
                    raise  # the second Ctrl-C does not wait
                outcome.interrupted = True
                os.killpg(process.pid, signal.SIGINT)
                continue
            if not line:
                return
            event = parse_event(line)
            if event:
                outcome.add(event)
                on_event(event)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the process; after the event pipe has closed it has only to exit."""
    for stop in (None, signal.SIGTERM, signal.SIGKILL):
        if stop:
            os.killpg(process.pid, stop)
        try:
            process.wait(timeout=15)
            return
        except subprocess.TimeoutExpired:
            continue
