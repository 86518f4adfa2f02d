"""What is made of skopeo's answers, and of none. With the real skopeo and a registry: tests/e2e/test_bundle.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.skopeo import Skopeo
from kprov.errors import ArtifactError, Interrupted, Problem
from kprov.ui.progress import NoProgress

REF = "registry.k8s.io/coredns/coredns:v1.14.2"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DownloadCache]:
    cache = DownloadCache(tmp_path / "cache")
    with cache.open(NoProgress()):
        yield cache


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A skopeo to be written by the test."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    path = tmp_path / "bin/skopeo"
    path.parent.mkdir()
    path.touch(mode=0o755)
    return path


def refused(cache: DownloadCache) -> Problem:
    with pytest.raises(ArtifactError) as caught:
        Skopeo(cache, threading.Event()).pull(REF, "arm64")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("reading manifest v1 in registry.k8s.io/coredns/coredns: manifest unknown", "artifact-missing", "list-tags"),
        ("unauthorized: access denied", "artifact-refused", "skopeo login registry.k8s.io"),
        ("pinging container registry: connection refused", "artifact-unreachable", "--image-repository"),
    ],
)
def test_failure_is_one_line_with_a_next_step(
    cache: DownloadCache, program: Path, said: str, code: str, hint: str
) -> None:
    log = f'time="2026-01-01T00:00:00Z" level=fatal msg="initializing source docker://{REF}: Get \\"x\\": {said}"'
    program.write_text(f"#!/bin/sh\necho 'level=warning msg=\"Failed, retrying\"' >&2\necho '{log}' >&2\nexit 1\n")
    problem = refused(cache)
    assert problem.code == code
    assert problem.message == f'initializing source docker://{REF}: Get "x": {said}'
    assert hint in str(problem.hint)


def test_argv_asks_for_linux_and_the_architecture_and_holds_no_credentials(
    cache: DownloadCache, program: Path, tmp_path: Path
) -> None:
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/argv\nexit 1\n")
    assert "skopeo exited with 1 and said nothing" in refused(cache).message
    argv = (tmp_path / "argv").read_text().split("\n")
    assert argv[argv.index("--override-os") + 1] == "linux"
    assert argv[argv.index("--override-arch") + 1] == "arm64"
    assert f"docker://{REF}" in argv
    assert not [argument for argument in argv if "creds" in argument or "tls-verify" in argument]


def test_without_skopeo_the_error_says_how_to_get_it(
    cache: DownloadCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArtifactError, match="not installed") as caught:
        Skopeo(cache, threading.Event())
    assert "apt-get install skopeo" in str(caught.value.hint)


def test_stopping_ends_skopeo(cache: DownloadCache, program: Path) -> None:
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Interrupted):
        Skopeo(cache, stop).pull(REF, "amd64")
