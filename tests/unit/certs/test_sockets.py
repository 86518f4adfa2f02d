"""What live sockets serve: real TLS servers on the loopback address."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kprov.certs.item import Item
from kprov.certs.node import sockets
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import LOOPBACK, PKI, Node, TlsServer, of
from tests.unit.certs.test_layouts import LIMITS, codes, why

LISTENING = (("0100007F", 2379), ("0200007F", 2379))


def named(node: Node, name: str) -> Item:
    return next(iter(node.inventory().all_named(name)))


def ask(port: int, *endpoints: str, tries: int = 0) -> list[dict[str, Any]]:
    """The API server at a port, and endpoints."""
    components = {"kube-apiserver": {"args": [f"--secure-port={port}"]}} if port else {}
    return sockets.look(components, LOOPBACK, list(endpoints), tries)


@pytest.mark.parametrize(
    ("server", "file", "name"),
    [
        ("api", "apiserver.crt", "apiserver"),
        ("etcd", "etcd/server.crt", "etcd-server"),
        ("peer", "etcd/peer.crt", "etcd-peer"),
    ],
)
def test_renewed_on_disk_and_served_from_memory(
    plane: Node, servers: dict[str, TlsServer], server: str, file: str, name: str
) -> None:
    made = pki.kubeadm()
    assert named(plane, name).served_equal
    old = made.leaves[file]
    renewed = pki.issue(made.ca if name == "apiserver" else made.etcd_ca, "renewed", sans=("10.1.0.1",))
    plane.pair(f"{PKI}/{file}", renewed)
    item = named(plane, name)
    assert item.served_equal is False
    assert [one.certificate.x509 for one in item.served] == [old.x509]
    assert codes(plane.inventory()) >= {("served-differs", name)}
    if name != "etcd-peer":  # what etcd's peers log in with is one of the files that changed
        servers[server].shows = renewed
        assert named(plane, name).served_equal


def test_etcd_s_sockets_are_asked_with_a_client_certificate(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.inventory()
    assert servers["etcd"].logged_in == servers["peer"].logged_in == ["cp1"]
    plane.remove(f"{PKI}/etcd/peer.key")
    found = {one.what: one.why for one in plane.inventory().unread}
    assert {f"etcd at {LOOPBACK}:{plane.ports['etcd']}", f"etcd-peer at {LOOPBACK}:{plane.ports['peer']}"} <= {*found}


def test_sockets_of_a_process_own_making_are_items(plane: Node, servers: dict[str, TlsServer]) -> None:
    found = {item.name: item for item in plane.inventory().items if item.kind == "served"}
    assert found.keys() == {"kube-controller-manager", "kube-scheduler"}
    servers["manager"].shows = pki.authority("localhost@3", days=-1)
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity, finding.name) == ("expired", "warning", "kube-controller-manager")
    assert "restarted" in str(finding.hint)


def test_nothing_listens(plane: Node, servers: dict[str, TlsServer]) -> None:
    servers.pop("kubelet").close()
    inventory = plane.inventory()
    (unread,) = inventory.unread
    assert unread.what == f"kubelet at {LOOPBACK}:{plane.ports['kubelet']}"
    assert "refused" in unread.why.lower()
    (item,) = inventory.all_named("kubelet-server")
    assert item.served_equal is None
    assert judge(inventory, LIMITS) == ()


def test_kubelet_that_serves_another_certificate(plane: Node, servers: dict[str, TlsServer]) -> None:
    servers["kubelet"].shows = pki.authority("cp1-ca@2")
    assert codes(plane.inventory()) == {("served-differs", "kubelet-server")}


@pytest.fixture
def silent() -> Iterator[int]:
    """Accepts connections, and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def plain() -> Iterator[int]:
    """Speaks, but not TLS."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.0 400 Client sent an HTTP request to an HTTPS server.\r\n\r\n")
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_server_that_never_answers_has_a_deadline(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT", 0.3)
    begin = time.monotonic()
    (found,) = ask(silent)
    assert 0.3 <= time.monotonic() - begin < 2
    assert found["der"] is None
    assert "timed out" in found["error"]


def test_all_silent_endpoints_are_asked_at_the_same_time(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT", 0.5)
    begin = time.monotonic()
    found = ask(0, f"{LOOPBACK}:{silent}", tries=8)
    assert len(found) == 8
    assert time.monotonic() - begin < 2


def test_server_without_tls(plain: int) -> None:
    (found,) = ask(plain)
    assert found["der"] is None
    assert found["error"]


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_expired_self_signed_and_foreign_certificates_are_seen_all_the_same(algorithm: pki.Algorithm) -> None:
    pair = pki.authority("anything", days=-5, start=-10 * pki.DAY, algorithm=algorithm)
    server = TlsServer(pair)
    try:
        (found,) = ask(server.port)
    finally:
        server.close()
    assert base64.b64decode(found["der"]) == pair.der


def test_server_that_wants_a_client_certificate_that_we_lack() -> None:
    server = TlsServer(pki.authority("x"), client_ca=pki.authority("theirs"))
    try:
        (found,) = ask(server.port)
    finally:
        server.close()
    assert found["der"] is None
    assert found["error"]


def test_ipv6_endpoint() -> None:
    server = TlsServer(pki.authority("six"), host="::1")
    try:
        (found,) = ask(0, f"[::1]:{server.port}", tries=1)
    finally:
        server.close()
    assert (found["address"], found["error"]) == ("::1", None)


def test_sockets_that_listen_elsewhere_are_asked_there(node: Node) -> None:
    """proc_net(5): addresses in the machine's byte order."""
    tcp = [f" {n}: {place}:{port:04X} 0:0 0A 0:0 0:0 0 0 0 {n}" for n, (place, port) in enumerate(LISTENING)]
    node.put("/proc/net/tcp", "\n".join(["head", *tcp]) + "\n")
    node.put("/proc/net/tcp6", f"head\n 0: {'0' * 32}:{6443:04X} 0:0 0A 0:0 0:0 0 0 0 9\n")
    found = sockets.look({"etcd": {"args": []}, "kube-apiserver": {"args": []}}, "127.0.0.3", [], 0)
    assert [(one["component"], one["address"], one["port"]) for one in found] == [
        ("kube-apiserver", "127.0.0.3", 6443),  # everywhere: asked at the node's address
        ("etcd", "127.0.0.1", 2379),
        ("etcd", "127.0.0.2", 2379),
        ("etcd-peer", "127.0.0.3", 2380),  # nowhere: asked where it should be
    ]


def test_endpoint_that_shows_a_certificate_of_no_api_server(plane: Node, servers: dict[str, TlsServer]) -> None:
    made = pki.kubeadm()
    balancer = TlsServer(made.leaves["apiserver.crt"])
    endpoint = f"{LOOPBACK}:{balancer.port}"
    try:
        good = plane.inventory(endpoint, tries=3)
        balancer.shows = pki.issue(made.ca, "kube-apiserver")
        bad = plane.inventory(endpoint)
    finally:
        balancer.close()
    assert [(item.place, item.served_equal) for item in good.all_named("endpoint")] == [(endpoint, True)]
    assert judge(good, LIMITS) == ()
    assert codes(bad) == {("served-differs", "endpoint")}


def test_endpoint_of_control_planes_that_were_not_asked(plane: Node, servers: dict[str, TlsServer]) -> None:
    """With --limit, or with a control plane down, its certificate is on no disk that was looked at."""
    balancer = TlsServer(pki.issue(pki.kubeadm().ca, "kube-apiserver"))
    try:
        answer = plane.answer(f"{LOOPBACK}:{balancer.port}")
    finally:
        balancer.close()
    assert codes(of(("cp1",), cp1=answer)) == {("served-differs", "endpoint")}
    assert codes(of(("cp1", "cp2"), cp1=answer)) == set()
    assert why(of(("cp1", "cp2"), cp1=answer)) == {}
