"""Files over HTTP into the cache: checked while they arrive, gone on with where they broke off."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.digest import sha256_of
from kprov.errors import ArtifactError, Interrupted, Problem

if TYPE_CHECKING:
    from hashlib import _Hash

SILENCE = 30.0  # seconds without a byte
ATTEMPTS = 3  # in a row that did not bring the file forward
CHUNK = 1 << 20
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# Answers that may be another one in a moment.
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class _BrokeOffError(Exception):
    """This attempt failed; the next one may not."""


class _NoSuchPartError(_BrokeOffError):
    """The file is not as long as what came of it before."""


@dataclass(frozen=True)
class Downloaded:
    """A file in the cache. fresh: it was not there before."""

    path: Path
    fresh: bool


class Downloader:
    """stop: when it is set, downloads end with Interrupted; pause: seconds before a second attempt, then twice that.

    TLS is verified; proxies come from the environment (http_proxy, https_proxy, no_proxy).
    """

    def __init__(self, cache: DownloadCache, stop: threading.Event, pause: float = 1.0) -> None:
        self._cache = cache
        self._stop = stop
        self._pause = pause

    def fetch(self, url: str, sha256: str) -> Downloaded:
        """The file with this digest. Raises ArtifactError with exactly one Problem."""
        done, partial = self._cache.file(sha256), self._cache.partial(sha256)
        if done.is_file():
            if sha256_of(done) == sha256:
                return Downloaded(done, fresh=False)
            done.unlink()
        furthest, failures = _size(partial), list[str]()
        while True:
            try:
                self._attempt(url, sha256, partial)
            except _BrokeOffError as error:
                forward = _size(partial) > furthest
                failures = [str(error)] if forward else [*failures, str(error)]
                furthest = max(furthest, _size(partial))
                if len(failures) == ATTEMPTS:
                    _give_up(url, failures)
                if self._stop.wait(self._pause * 2 ** (len(failures) - 1)):
                    raise Interrupted("stopped") from error
            else:
                partial.replace(done)
                return Downloaded(done, fresh=True)

    def _attempt(self, url: str, sha256: str, partial: Path) -> None:
        """Brings `partial` to its end. Raises _BrokeOffError when it is worth another attempt, else ArtifactError."""
        offset, digest = _begun(partial)
        if offset and digest.hexdigest() == sha256:
            return
        try:
            opened = _open(url, offset)
        except _NoSuchPartError:
            partial.unlink()
            raise
        with opened as response, partial.open("ab") as file:
            start = f"bytes {offset}-"
            if offset and not response.headers.get("Content-Range", "").startswith(start):  # the whole file again
                file.truncate(0)
                offset, digest = 0, hashlib.sha256()
            received = 0
            while chunk := _read(response):
                if self._stop.is_set():
                    raise Interrupted("stopped")
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
            announced = response.headers.get("Content-Length")
        if announced is not None and received != int(announced):
            raise _BrokeOffError(f"the transfer was cut: got {offset + received} of {offset + int(announced)} bytes")
        if digest.hexdigest() != sha256:
            partial.unlink()
            if offset:
                raise _BrokeOffError("the rest does not belong to what came before")
            hint = f"{_host(url)} has another file than the one that is pinned; nothing of it is kept"
            _fail("artifact-digest", f"{url} has sha256 {digest.hexdigest()}, expected {sha256}", hint)


def _open(url: str, offset: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "kprov", **({"Range": f"bytes={offset}-"} if offset else {})}
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=SILENCE
        )
    except urllib.error.HTTPError as error:
        said = f"the server says {error.code} {error.reason}"
        if offset and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _NoSuchPartError(said) from error
        if error.code in PASSING or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _BrokeOffError(said) from error
        code = "artifact-missing" if error.code in GONE else "artifact-refused"
        _fail(code, f"{url}: {said}", f"look at what {_host(url)} has, or name a mirror with --mirror")
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            hint = f"if {_host(url)} has a certificate of your own authority, name that with SSL_CERT_FILE"
            _fail("artifact-unreachable", f"{url}: {error.reason.verify_message}", hint)
        raise _BrokeOffError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOffError(_said(error)) from error
    return response


def _read(response: http.client.HTTPResponse) -> bytes:
    """The bytes that are there, without waiting for a whole chunk; empty at the end.

    Only errors of the network are caught here, never those of the disk.
    """
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOffError(_said(error)) from error


def _begun(partial: Path) -> tuple[int, _Hash]:
    digest = hashlib.sha256()
    if _size(partial):
        with partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    return _size(partial), digest


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _give_up(url: str, failures: list[str]) -> NoReturn:
    first, last = failures[0], failures[-1]
    others = "" if first == last else f"; the first of them: {first}"
    hint = f"this machine must reach {_host(url)}, through https_proxy if need be; or name a mirror with --mirror"
    _fail("artifact-unreachable", f"{url}: {last} ({len(failures)} attempts{others})", hint)


def _fail(code: str, message: str, hint: str) -> NoReturn:
    raise ArtifactError(message, hint=hint, problems=[Problem("error", code, message, hint=hint)])
