"""Labs for the end-to-end tests. Each is removed at the end, also after a failure."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kprov.engine.paths import cluster_home
from tests.e2e.cluster import LabCluster, kprov, lab_name

MakeLab = Callable[..., LabCluster]
Measured = Callable[[str], None]
MEASURED = pytest.StashKey[list[str]]()


def pytest_configure() -> None:
    """What the tests start can be interrupted: a shell's background job ignores SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a Docker Engine."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Figures are worth reading also when the tests that measured them passed."""
    for line in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> Measured:
    """measured("reads: longest gap 0.3 s"): the line is printed at the end of the run."""
    return request.config.stash.setdefault(MEASURED, []).append


@contextmanager
def labs(session: pytest.Session) -> Iterator[MakeLab]:
    """A function that makes labs; they are gone when the context ends, and their journals unless a test failed."""
    with ExitStack() as stack:

        def forget(name: str) -> None:
            if not session.testsfailed:
                shutil.rmtree(cluster_home(name), ignore_errors=True)

        def make(purpose: str, control_planes: int = 1, workers: int = 2, *options: str) -> LabCluster:
            name = lab_name(purpose)
            stack.callback(forget, name)
            stack.callback(kprov, "lab", "down", "--name", name)
            shape = ("--control-planes", str(control_planes), "--workers", str(workers))
            done = kprov("lab", "up", "--name", name, *shape, *options, timeout=3600)
            assert done.exit_code == 0, done.stderr
            return LabCluster(name, Path(done.data["labs"][0]["inventory"]))

        yield make


@pytest.fixture(scope="module")
def make_lab(request: pytest.FixtureRequest) -> Iterator[MakeLab]:
    """make_lab("kill", control_planes=1, workers=1), and more options of `kprov lab up` after them.

    A module's labs end with it: idle clusters cost CPU, too.
    """
    with labs(request.session) as make:
        yield make


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[LabCluster]:
    """A converged cluster of one control plane and two workers. Tests that change it put it back by `up`."""
    with labs(request.session) as make:
        lab = make("main")
        lab.up()
        yield lab
