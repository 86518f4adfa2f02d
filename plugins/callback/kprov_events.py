"""What a running playbook does, as JSON lines on a pipe: for kprov's display, journal and exit code."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kprov_events
type: notification
short_description: Events of a run as JSON lines on the file descriptor in KPROV_EVENT_FD
description:
  - One line per event - C(playbook), C(play), C(task), C(start), C(ok), C(skip), C(failed), C(unreachable), C(retry),
    C(stats). Of a result only what is named below and what a module calls its C(report), and no message of a task with
    C(no_log). Does nothing without KPROV_EVENT_FD.
  - When nobody reads the other end any more, kprov was killed. The run then ends instead of going on unwatched.
"""

import json
import multiprocessing
import os
import signal
import time

from ansible.plugins.callback import CallbackBase

READER_GONE = 141  # what a shell reports for a process ended by SIGPIPE
ON_CONTROLLER = {
    "add_host",
    "assert",
    "debug",
    "fail",
    "group_by",
    "import_playbook",
    "import_role",
    "import_tasks",
    "include_role",
    "include_tasks",
    "include_vars",
    "meta",
    "pause",
    "set_fact",
    "set_stats",
    "validate_argument_spec",
}
LINES_OF_OUTPUT = 20


class CallbackModule(CallbackBase):
    """Writes an event for each thing that happens."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kprov_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._descriptor = int(os.environ.get("KPROV_EVENT_FD", "-1"))
        self.disabled = self._descriptor < 0
        self._play = ""
        self._phase = None
        if not self.disabled:
            os.set_inheritable(self._descriptor, False)

    def v2_playbook_on_start(self, playbook):
        self._emit("playbook", playbook=os.path.basename(playbook._file_name))

    def v2_playbook_on_play_start(self, play):
        roles = [role.get_name() for role in play.get_roles()]
        self._play = play.get_name()
        self._phase = roles[0] if roles else None
        self._emit("play", role=self._phase)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._emit("task", **self._of(task))

    def v2_playbook_on_handler_task_start(self, task):
        self._emit("task", **self._of(task))

    def v2_runner_on_start(self, host, task):
        self._emit("start", **self._of(task), host=host.get_name())

    def v2_runner_on_ok(self, result):
        self._emit("ok", **self._of_result(result))

    def v2_runner_on_skipped(self, result):
        self._emit("skip", **{**self._of_result(result), "module_calls": 0})

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._emit("failed", **self._of_result(result), ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        ignored = bool(result.task_fields.get("ignore_unreachable"))
        self._emit("unreachable", **{**self._of_result(result), "module_calls": 0, "ignored": ignored})

    def v2_runner_retry(self, result):
        self._emit("retry", **self._of_result(result))

    def v2_playbook_on_stats(self, stats):
        self._emit("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})

    def _of(self, task) -> dict:
        phase = task.args.get("phase") if isinstance(task.args, dict) else None
        return {
            "task": str(task.name or task.action),
            "role": task._role.get_name() if task._role else None,
            "phase": str(phase) if isinstance(phase, str) and "{{" not in phase else self._phase,
            "module": task.action,
        }

    def _of_result(self, result) -> dict:
        event = self._of(result.task)
        values = result.result
        secret = bool(result.task.no_log) or "censored" in values
        delegate = result.task_fields.get("delegate_to")
        event.update(
            host=result.host.get_name(),
            delegate=str(delegate) if delegate else None,
            changed=result.is_changed(),
            msg=None if secret else message(values),
            module_calls=module_calls(event["module"], values),
            changes=[] if secret else changes(values),
            proofs=[] if secret else proofs(values),
            warnings=[] if secret else [text(warning) for warning in result.warnings],
        )
        if not secret and isinstance(values.get("report"), dict):
            event["report"] = values["report"]
        for mark in ("locked", "recorded"):
            if values.get(mark) is True:
                event[mark] = True
        return event

    def _emit(self, event: str, /, **values: object) -> None:
        line = {"event": event, "time": time.time(), "play": self._play, "phase": self._phase, **values}
        data = (json.dumps(line, default=str) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            stop()


def message(values: dict) -> str | None:
    """What a task says: its message, and what a failed command printed; of a loop, what its failed items say."""
    items = values.get("results")
    if isinstance(items, list):
        said = [message(item) for item in items if isinstance(item, dict) and item.get("failed")]
        if said:
            return "\n".join(filter(None, said))
    parts = [str(values["msg"])] if values.get("msg") else []
    if values.get("rc"):
        output = str(values.get("stderr") or values.get("stdout") or "").strip()
        parts += output.splitlines()[-LINES_OF_OUTPUT:]
    return "\n".join(parts) or None


def changes(values: dict) -> list[str]:
    """What changed, in short, if the module says so."""
    found = [str(path) for path in values.get("changed_files") or []]
    found += [f"removed {path}" for path in values.get("removed_files") or []]
    return found + [str(change) for change in values.get("changes") or []]


def proofs(values: dict) -> list[str]:
    """How it is known that something has come to effect, if the module says so."""
    found = values.get("proofs") or []
    return [f"{name}: {proof}" for name, proof in found.items()] if isinstance(found, dict) else list(found)


def module_calls(module: str, values: dict) -> int:
    """How often a module was executed on a host; kprov's action plugins say it themselves."""
    if isinstance(values.get("module_calls"), int):
        return values["module_calls"]
    if module.rpartition(".")[2] in ON_CONTROLLER:
        return 0
    items = values.get("results")
    if isinstance(items, list):
        return sum(1 for item in items if isinstance(item, dict) and not item.get("skipped"))
    return 1


def text(warning: object) -> str:
    """A warning of ansible-core 2.19 as text."""
    return str(getattr(getattr(warning, "event", warning), "msg", warning))


def stop() -> None:
    """End this run at once: its tasks in flight, and itself, so that no further one starts.

    What a module is doing on a node right now it finishes; the node's lock keeps the next run from overtaking it.
    """
    for worker in multiprocessing.active_children():
        try:
            if os.getpgid(worker.pid) == worker.pid:  # a worker leads a group: itself and its ssh
                os.killpg(worker.pid, signal.SIGKILL)
            else:
                os.kill(worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os._exit(READER_GONE)
