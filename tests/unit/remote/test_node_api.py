"""The question to the API server, against a TLS server that wants a client certificate of the cluster's CA."""

from __future__ import annotations

import base64
import datetime
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kprov.remote.node import api

DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-router"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/cfg"
NODES = {
    "columnDefinitions": [{"name": n} for n in ("Name", "Status", "Roles", "Age", "Version")],
    "rows": [
        {"cells": ["cp1", "Ready", "control-plane", "5m", "v1.36.3"]},
        {"cells": ["w1", "NotReady", "<none>", "5m", "v1.36.3"]},
        {"cells": ["w2", "Ready,SchedulingDisabled", "<none>", "5m", "v1.35.4"]},
    ],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, Any]] = {}
    delay: ClassVar[float] = 0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        time.sleep(self.delay)
        self.asked.append(self.path)
        value = self.answers.get(self.path.partition("?")[0], 404)
        body = json.dumps(value).encode()
        self.send_response(value if isinstance(value, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def issue(
    directory: Path,
    name: str,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    dns: str = "kubernetes",
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    )
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


def log_in(node: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write admin.conf as kubeadm does."""
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    data = [base64.b64encode(part).decode() for part in (certificate.public_bytes(pem), private)]
    text = f"users:\n- user:\n    client-certificate-data: {data[0]}\n    client-key-data: {data[1]}\n"
    (node / "etc/kubernetes/admin.conf").write_text(text)


def serve(directory: Path) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    context.load_verify_locations(directory / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def port(node: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    pki = node / "etc/kubernetes/pki"
    pki.mkdir(parents=True)
    authority = issue(pki, "ca", None)
    issue(pki, "server", authority)
    log_in(node, *issue(pki, "admin", authority))
    monkeypatch.setattr(Handler, "answers", {"/api/v1/nodes": NODES, "/api/v1/namespaces/kube-system/configmaps": {}})
    monkeypatch.setattr(Handler, "delay", 0)
    monkeypatch.setattr(Handler, "asked", [])
    server = serve(pki)
    yield server.server_port
    server.shutdown()
    server.server_close()


def put_record(objects: list[dict[str, Any]], **fields: Any) -> None:
    value = {"schema": 1, "fingerprint": {"a": 1}, "finished": "t", "dirty": False, "objects": objects, **fields}
    items = [
        {"metadata": {"name": "kprov-network"}, "data": {"record": json.dumps(value)}},
        {"metadata": {"name": "kprov-other"}, "data": {"record": "{"}},
        {"metadata": {"name": "not-ours"}},
    ]
    Handler.answers["/api/v1/namespaces/kube-system/configmaps"] = {"items": items}


def recorded(path: str = DAEMON_SET, **fields: Any) -> dict[str, Any]:
    return {"kind": "DaemonSet", "name": "kube-router", "path": path, "uid": "u", "generation": 1, **fields}


def live(path: str = DAEMON_SET, **metadata: Any) -> None:
    Handler.answers[path] = {"metadata": {"uid": "u", "generation": 1, "resourceVersion": "9", **metadata}}


def test_nodes(port: int) -> None:
    found = api.state(port)
    assert found["reachable"], found
    assert found["nodes"] == {
        "cp1": {"ready": True, "kubelet_version": "v1.36.3", "control_plane": True},
        "w1": {"ready": False, "kubelet_version": "v1.36.3", "control_plane": False},
        "w2": {"ready": True, "kubelet_version": "v1.35.4", "control_plane": False},
    }
    assert found["phases"] == {}


def test_record_whose_objects_are_as_they_were(port: int) -> None:
    put_record([recorded(), recorded(CONFIG_MAP, generation=None, resource_version="9")])
    live(resourceVersion="77")
    live(CONFIG_MAP)
    assert api.state(port)["phases"] == {
        "network": {"fingerprint": {"a": 1}, "finished": "t", "dirty": False, "drift": []}
    }


@pytest.mark.parametrize(
    ("record", "metadata", "problem"),
    [
        (recorded(), None, "missing"),
        (recorded(), {"uid": "new"}, "replaced"),
        (recorded(), {"generation": 2}, "changed"),
        (recorded(generation=None, resource_version="8"), {}, "changed"),
    ],
)
def test_drift_of_an_object(port: int, record: dict[str, Any], metadata: dict[str, Any] | None, problem: str) -> None:
    put_record([record])
    if metadata is not None:
        live(**metadata)
    drift = api.state(port)["phases"]["network"]["drift"]
    assert drift == [{"what": "DaemonSet kube-router", "problem": problem}]


def test_what_a_node_has_lost(port: int) -> None:
    node = {"metadata": {"name": "w1", "uid": "u1", "labels": {"b": "2"}}, "spec": {}, "status": {}}
    Handler.answers["/api/v1/nodes"] = {**NODES, "items": [node]}
    put_record([], nodes={"w1": {"uid": "u1", "values": {"labels": {"a": "1", "b": "2"}}, "own": {}}})
    assert api.state(port)["phases"]["network"]["drift"] == [{"what": "label a of Node w1", "problem": "missing"}]


@pytest.mark.parametrize("fields", [{}, {"nodes": {}}, {"nodes": {"w1": {}}, "dirty": True}])
def test_whole_nodes_are_not_asked_for_without_need(port: int, fields: dict[str, Any]) -> None:
    put_record([], **fields)
    assert api.state(port)["reachable"]
    assert [path.partition("?")[0] for path in Handler.asked].count("/api/v1/nodes") == 1


def test_record_of_a_newer_schema_is_as_good_as_none(port: int) -> None:
    put_record([], schema=2)
    assert api.state(port)["phases"] == {}


def test_server_of_another_authority_is_not_believed(port: int, node: Path) -> None:
    pki = node / "etc/kubernetes/pki"
    log_in(node, *issue(pki, "admin", issue(pki, "ca", None)))
    found = api.state(port)
    assert not found["reachable"]
    assert "CERTIFICATE_VERIFY_FAILED" in found["error"]


def test_server_of_another_name_is_not_believed(port: int, node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = node / "etc/kubernetes/pki"
    authority = issue(pki, "ca", None)
    issue(pki, "server", authority, dns="other")
    log_in(node, *issue(pki, "admin", authority))
    server = serve(pki)
    try:
        assert "CERTIFICATE_VERIFY_FAILED" in api.state(server.server_port)["error"]
    finally:
        server.shutdown()
        server.server_close()


def test_client_certificate_in_files_of_its_own(port: int, node: Path) -> None:
    pki = "/etc/kubernetes/pki"
    text = f"users:\n- user:\n    client-certificate: {pki}/admin.crt\n    client-key: {pki}/admin.key\n"
    (node / "etc/kubernetes/admin.conf").write_text(text)
    assert api.state(port)["reachable"]


def test_kubeconfig_without_a_certificate(port: int, node: Path) -> None:
    (node / "etc/kubernetes/admin.conf").write_text("users: []\n")
    assert "has no client-certificate" in api.state(port)["error"]


def test_objects_of_an_unfinished_run_are_not_looked_at(port: int) -> None:
    put_record([recorded("", uid="")], dirty=True, finished=None)
    network = api.state(port)["phases"]["network"]
    assert (network["dirty"], network["drift"]) == (True, [])


def test_error_of_the_server(port: int) -> None:
    Handler.answers["/api/v1/nodes"] = 500
    found = api.state(port)
    assert not found["reachable"]
    assert "500" in found["error"]


def test_slow_server_costs_three_seconds_in_all(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "delay", 0.4)
    monkeypatch.setattr(api, "DEADLINE", 0.6)
    started = time.monotonic()
    assert not api.state(port)["reachable"]
    assert time.monotonic() - started < 2


def test_nothing_listens(port: int) -> None:
    assert "refused" in api.state(1)["error"]
