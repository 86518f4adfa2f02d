"""Head of the program that a node runs: makes the other files importable there and prints what the probe collected.

`kprov.remote.program` sends this text, followed by a call of `run`. Even Python 3.6 must be able to read it, so that it
can say that it is too old: no `from __future__ import annotations` here.
"""

import json
import os
import signal
import sys
import time
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any, Dict  # noqa: UP035

OLDEST_PYTHON = (3, 9)
LIFETIME = 60  # seconds; by then nobody listens any more, and a program that hangs must not stay on the node


class Sources:
    """Imports from a dictionary of module name to source text: real imports, on a machine that has no kprov."""

    def __init__(self, sources: Dict[str, str]) -> None:  # noqa: UP006
        self.sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The import system asks where a module is."""
        if name not in self.sources:
            return None
        return ModuleSpec(name, self, is_package=any(other.startswith(name + ".") for other in self.sources))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """None: an ordinary module."""

    def exec_module(self, module: Any) -> None:
        """Run the module's source."""
        exec(compile(self.sources[module.__name__], module.__name__, "exec"), module.__dict__)


def run(sources: Dict[str, str], question: str, main: str) -> None:  # noqa: UP006
    """Print the node's time, the answer between KPROV-BEGIN and KPROV-END (or KPROV-OLD), and end the process."""
    signal.alarm(LIFETIME)
    write = sys.stdout.write
    write(f"KPROV-TIME {time.time()!r}\n")
    sys.stdout.flush()
    if sys.version_info < OLDEST_PYTHON:
        write("KPROV-OLD " + sys.version.split()[0] + "\n")
    else:
        sys.meta_path.insert(0, Sources(sources))
        module = import_module(main)
        write("KPROV-BEGIN " + json.dumps(module.collect(json.loads(question))) + " KPROV-END\n")
    sys.stdout.flush()
    os._exit(0)  # a name lookup that hangs in its thread must not keep the process
