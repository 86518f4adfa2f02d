"""Downloads against a real HTTP server: each way in which one can fail, and what is kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.download import Downloader
from kprov.errors import ArtifactError, Interrupted, Problem
from kprov.ui.progress import NoProgress
from tests.publisher import Publisher, publisher

BODY = b"0123456789" * 100_000


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publisher() as server:
        server.add("/file", BODY)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DownloadCache]:
    cache = DownloadCache(tmp_path / "cache")
    with cache.open(NoProgress()):
        yield cache


@pytest.fixture
def downloader(cache: DownloadCache) -> Downloader:
    return Downloader(cache, threading.Event(), pause=0)


SHA = hashlib.sha256(BODY).hexdigest()


def refused(downloader: Downloader, url: str, sha256: str = SHA) -> Problem:
    with pytest.raises(ArtifactError) as caught:
        downloader.fetch(url, sha256)
    (problem,) = caught.value.problems
    return problem


def test_a_file_is_asked_for_once(server: Publisher, downloader: Downloader) -> None:
    first = downloader.fetch(f"{server.url}/file", SHA)
    assert (first.path.read_bytes(), first.fresh) == (BODY, True)
    second = downloader.fetch(f"{server.url}/file", SHA)
    assert (second.path, second.fresh) == (first.path, False)
    assert server.requests == ["/file"]


def test_wrong_digest_names_both_and_keeps_nothing(
    server: Publisher, downloader: Downloader, cache: DownloadCache
) -> None:
    got = server.add("/file", b"something else")
    problem = refused(downloader, f"{server.url}/file")
    assert problem.code == "artifact-digest"
    assert problem.message == f"{server.url}/file has sha256 {got}, expected {SHA}"
    assert not cache.file(SHA).exists()
    assert not cache.partial(SHA).exists()
    assert len(server.requests) == 1


def test_missing_file_is_named_with_its_url_and_not_asked_for_again(server: Publisher, downloader: Downloader) -> None:
    problem = refused(downloader, f"{server.url}/other")
    assert (problem.code, problem.message) == (
        "artifact-missing",
        f"{server.url}/other: the server says 404 Not Found",
    )
    assert server.url.removeprefix("http://") in str(problem.hint)
    assert len(server.requests) == 1


def test_cut_transfer_goes_on_where_it_broke_off(server: Publisher, downloader: Downloader) -> None:
    server.cut["/file"] = 2
    assert downloader.fetch(f"{server.url}/file", SHA).path.read_bytes() == BODY
    half, rest = len(BODY) // 2, len(BODY) * 3 // 4
    assert server.requests == ["/file", f"/file bytes={half}-", f"/file bytes={rest}-"]


def test_transfer_that_never_gets_further_says_how_much_came(
    server: Publisher, downloader: Downloader, cache: DownloadCache
) -> None:
    server.cut["/file"], server.ranges = 1000, False
    problem = refused(downloader, f"{server.url}/file")
    assert problem.code == "artifact-unreachable"
    assert f"the transfer was cut: got {len(BODY) // 2} of {len(BODY)} bytes (3 attempts)" in problem.message
    assert not cache.file(SHA).exists()


def test_the_next_run_goes_on_where_this_one_gave_up(
    server: Publisher, downloader: Downloader, cache: DownloadCache
) -> None:
    cache.partial(SHA).write_bytes(BODY[:10])
    downloader.fetch(f"{server.url}/file", SHA)
    assert server.requests == ["/file bytes=10-"]
    assert not cache.partial(SHA).exists()


@pytest.mark.parametrize("partial", [b"x" * 10, BODY + b"more"])
def test_a_beginning_of_something_else_is_thrown_away(
    server: Publisher, downloader: Downloader, cache: DownloadCache, partial: bytes
) -> None:
    cache.partial(SHA).write_bytes(partial)
    assert downloader.fetch(f"{server.url}/file", SHA).path.read_bytes() == BODY
    assert server.requests[1:] == ["/file"]


def test_a_whole_file_that_was_not_renamed_needs_no_network(
    server: Publisher, downloader: Downloader, cache: DownloadCache
) -> None:
    cache.partial(SHA).write_bytes(BODY)
    downloader.fetch(f"{server.url}/file", SHA)
    assert server.requests == []


def test_damaged_file_of_the_cache_is_fetched_again(
    server: Publisher, downloader: Downloader, cache: DownloadCache
) -> None:
    cache.file(SHA).write_bytes(b"damaged")
    assert downloader.fetch(f"{server.url}/file", SHA).path.read_bytes() == BODY


def test_busy_server_is_asked_again(server: Publisher, downloader: Downloader) -> None:
    server.busy["/file"] = 2
    downloader.fetch(f"{server.url}/file", SHA)
    assert len(server.requests) == 3


def test_the_first_failure_is_not_hidden_by_the_last(server: Publisher, downloader: Downloader) -> None:
    server.busy["/file"], server.cut["/file"] = 1, 1000
    server.ranges = False
    problem = refused(downloader, f"{server.url}/file")
    assert "the transfer was cut" in problem.message
    server.busy["/file"], server.bodies["/file"] = 1000, b""
    assert "the server says 503 Service Unavailable (3 attempts)" in refused(downloader, f"{server.url}/file").message


def test_unreachable_server_is_named(server: Publisher, downloader: Downloader) -> None:
    server.shutdown()
    server.server_close()
    problem = refused(downloader, f"{server.url}/file")
    assert problem.code == "artifact-unreachable"
    assert "Connection refused (3 attempts)" in problem.message


def test_stopping_ends_the_wait_for_the_next_attempt(server: Publisher, cache: DownloadCache) -> None:
    stop = threading.Event()
    stop.set()
    server.busy["/file"] = 1000
    with pytest.raises(Interrupted):
        Downloader(cache, stop, pause=3600).fetch(f"{server.url}/file", SHA)
    with pytest.raises(Interrupted):
        server.busy.clear()
        Downloader(cache, stop).fetch(f"{server.url}/file", SHA)
