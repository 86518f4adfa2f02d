"""What kprov's modules have in common at both ends: running commands, and reporting a result."""

from __future__ import annotations

from typing import Callable


def command_runner(module, environment: dict[str, str] | None = None) -> Callable[[list[str]], tuple[int, str]]:
    """A function that runs a command and returns its exit code and the output of both streams.

    environment: variables on top of the module's own. The function raises OSError for a command that cannot be run.
    """

    def run(argv: list[str]) -> tuple[int, str]:
        code, output, errors = module.run_command(argv, handle_exceptions=False, environ_update=environment)
        return code, output + errors

    return run


def finish(module, result: dict) -> None:
    """End the module. result: its values, with `warnings` to show and, if there is one, a `diff` for --diff."""
    if not module._diff:
        result.pop("diff", None)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)
