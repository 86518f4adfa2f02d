"""How every command ends: its result or its error is printed once, and its exit code goes to the shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from kprov.cli.options import Format
from kprov.errors import ExitCode, KprovError, Problem

if TYPE_CHECKING:
    from kprov.ui.result import Result


def finish(kind: str, output: Format, command: Callable[[], Result]) -> NoReturn:
    """Run a command and exit."""
    from kprov.ui.console import err, out
    from kprov.ui.problems import print_error, print_problems

    try:
        result = command()
    except KeyboardInterrupt:
        err().print("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except KprovError as error:
        if output is not Format.TABLE:
            _print(output, kind, {"error": error.message, "hint": error.hint}, error.problems, error.exit_code)
        print_error(err(), error)
        sys.exit(error.exit_code)
    except Exception as error:
        from kprov.ui.bug import report_bug

        report_bug(err(), kind, error)
        sys.exit(ExitCode.BUG)
    print_problems(err(), result.problems)
    if output is not Format.TABLE:
        _print(output, kind, result.data, result.problems, result.exit_code)
    else:
        result.render(out())
    sys.exit(result.exit_code)


def _print(output: Format, kind: str, data: dict[str, Any], problems: Sequence[Problem], exit_code: ExitCode) -> None:
    from kprov.ui.result import envelope

    text = json.dumps(envelope(kind, data, problems, exit_code), indent=1, default=str) + "\n"
    if output is Format.YAML:
        import yaml

        text = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
    sys.stdout.write(text)
