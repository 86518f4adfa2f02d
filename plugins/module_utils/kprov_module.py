"""What kprov's modules have in common: running commands, recording the end of a phase, reporting a result."""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator, Sequence

from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_state import PhaseRecord

# The argument `record` of a module that a role can end with: what the phase's record says beside what its modules
# reported. A run by hand knows no fingerprints; the next plan then runs the phase again.
RECORD = {
    "type": "dict",
    "options": {"cluster": {"type": "str", "default": ""}, "fingerprints": {"type": "dict", "default": {}}},
}


@contextlib.contextmanager
def locked(module, *expected: type, deadline: float = 120, before: Sequence[str] = ()) -> Iterator[int | None]:
    """Hold the node's lock (node_lock: what it yields, and its deadline); an error ends the module with a message.

    expected: errors whose text is for the user; those of the lock and of the system always are. before: what was done
    when it came to the error, as words; a list may still grow.
    """
    try:
        with node_lock(deadline, check_mode=module.check_mode) as lock:
            yield lock
    except (*expected, LockTimeout) as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename or 'node'}: {error.strerror or error}"
    else:
        return
    module.fail_json(msg=f"{problem} (before that: {', '.join(before)})" if before else problem)


def command_runner(module, environment: dict[str, str] | None = None) -> Callable[[list[str]], tuple[int, str]]:
    """A function that runs a command and returns its exit code and the output of both streams.

    environment: variables on top of the module's own. The function raises OSError for a command that cannot be run.
    """

    def run(argv: list[str]) -> tuple[int, str]:
        code, output, errors = module.run_command(argv, handle_exceptions=False, environ_update=environment)
        return code, output + errors

    return run


def end_phase(module, result: dict) -> dict:
    """The result of a role's last module call. With `record` it writes the phase's record and clears its dirty mark.

    Call it under node_lock, when everything is done. result: the module's values, with `changed`.
    """
    record = module.params["record"]
    if record is None:
        return result
    phase = module.params["phase"]
    written = PhaseRecord(phase, module._name, module.check_mode).finish(
        record["fingerprints"].get(phase), record["cluster"]
    )
    # In check mode nothing was reported, so there is nothing to compare.
    return {**result, "changed": result["changed"] or (written and not module.check_mode), "recorded": True}


def finish(module, result: dict) -> None:
    """End the module. result: its values, with `warnings` to show and, if there is one, a `diff` for --diff."""
    if not module._diff:
        result.pop("diff", None)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)
