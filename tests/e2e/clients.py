"""Clients of a cluster's API servers that never stop asking: how long were they without an answer?"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import yaml

INTERVAL = 0.1  # seconds between two requests
TIMEOUT = 2.0  # seconds until the next API server is asked


class Client(threading.Thread):
    """Asks one API server after the other until one answers, over a new connection each time.

    write: changes an object, which takes etcd's majority; else it reads one.
    """

    def __init__(self, kubeconfig: str, addresses: Sequence[str], *, write: bool, port: int = 6443) -> None:
        super().__init__(daemon=True)
        self._addresses = list(addresses)
        self._port = port
        self._write = write
        self._context = _context(kubeconfig)
        self._ends = threading.Event()
        self.answers = 0
        self.longest_gap = 0.0  # seconds between two answers
        self.refused: list[str] = []

    def __enter__(self) -> Client:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self.join()

    def run(self) -> None:
        last = time.monotonic()
        while not self._ends.wait(INTERVAL):
            if self._ask():
                now = time.monotonic()
                self.longest_gap = max(self.longest_gap, now - last)
                self.answers, last = self.answers + 1, now
        self.longest_gap = max(self.longest_gap, time.monotonic() - last)

    def _ask(self) -> bool:
        for address in list(self._addresses):
            try:
                self._request(address)
                return True
            except (OSError, http.client.HTTPException) as error:
                self.refused.append(f"{time.time():.1f} {address}: {error}")
                self._addresses.append(self._addresses.pop(0))  # the next one first from now on
        return False

    def _request(self, address: str) -> None:
        connection = http.client.HTTPSConnection(address, self._port, timeout=TIMEOUT, context=self._context)
        path = "/api/v1/namespaces/default"
        try:
            if self._write:
                body = json.dumps({"metadata": {"annotations": {"example.com/written": str(time.time())}}})
                connection.request("PATCH", path, body, {"Content-Type": "application/merge-patch+json"})
            else:
                connection.request("GET", path)
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ConnectionError(f"{response.status} {said[:200].decode(errors='replace')}")


def _context(kubeconfig: str) -> ssl.SSLContext:
    """Checks the server's certificate as kubectl does; logs in as the administrator."""
    data = yaml.safe_load(kubeconfig)
    cluster, user = data["clusters"][0]["cluster"], data["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    descriptor = os.memfd_create("client")
    for name in ("client-certificate-data", "client-key-data"):
        os.write(descriptor, base64.b64decode(user[name]) + b"\n")
    context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)
    return context
