"""What kprov's modules have in common: running commands, recording the end of a phase, reporting a result."""

from __future__ import annotations

from typing import Callable

from ansible.module_utils.kprov_state import PhaseRecord

# The argument `record` of a module that a role can end with: what the phase's record says beside what its modules
# reported. A run by hand knows no fingerprints; the next plan then runs the phase again.
RECORD = {
    "type": "dict",
    "options": {"cluster": {"type": "str", "default": ""}, "fingerprints": {"type": "dict", "default": {}}},
}


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
