"""kubelet-ready: what counts as a kubelet that has come back. Against a real HTTP and a real TLS server."""

from __future__ import annotations

import base64
import datetime
import http.server
import importlib.util
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SCRIPT = Path(__file__).parents[2] / "roles/kubelet/templates/usr/local/libexec/kprov/kubelet-ready"
NOW = datetime.datetime.now(datetime.UTC)


def node(status: str = "True", age: float = 0, message: str = "kubelet is posting ready status") -> dict[str, Any]:
    heard = (NOW - datetime.timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": status, "message": message, "lastHeartbeatTime": heard}
    return {"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, ready]}}


Serve = Callable[[dict[str, tuple[int, bytes]], Path | None], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve({path: (status, body)}, certificate): a server on a free port; with a certificate it speaks TLS."""
    servers = []

    def start(answers: dict[str, tuple[int, bytes]], certificate: Path | None) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path, (404, b""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.verify_mode = ssl.CERT_REQUIRED  # as the API server does for a kubelet
            context.load_verify_locations(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and self-signed certificate in one file: authority, server and client at once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(private + made.public_bytes(pem))
    return tmp_path / "both.pem"


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> ModuleType:
    """The script; its kubelet started half a minute ago."""
    loader = SourceFileLoader("kubelet_ready", str(SCRIPT))
    spec = importlib.util.spec_from_loader("kubelet_ready", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "CERTIFICATE", str(certificate))
    monkeypatch.setattr(module, "KUBECONFIG", str(certificate.parent / "kubelet.conf"))
    monkeypatch.setattr(module, "API_PATIENCE", 0.1)
    monkeypatch.setattr(module, "started", lambda: NOW.timestamp() - 30)
    return module


def ask(
    ready: ModuleType, serve: Serve, certificate: Path, health: int, api: tuple[int, bytes] | None
) -> Callable[[], None]:
    """main() with a kubelet and an API server that answer so (None: there is no API server)."""
    ready.HEALTHZ_PORT = serve({"/healthz": (health, b"ok")}, None)
    port = serve({"/api/v1/nodes/n1": api}, certificate) if api else 1
    authority = base64.b64encode(b"-----BEGIN CERT" + certificate.read_bytes().partition(b"-----BEGIN CERT")[2])
    Path(ready.KUBECONFIG).write_text(
        f"clusters:\n- cluster:\n    certificate-authority-data: {authority.decode()}\n"
        f"    server: https://127.0.0.1:{port}\n"
    )
    return lambda: ready.main("n1")


def body(found: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps(found).encode()


@pytest.mark.parametrize(
    "found",
    [
        node(),
        node(age=30),
        node("False", message="container runtime network not ready: NetworkReady=false cni plugin not initialized"),
    ],
)
def test_kubelet_that_works(ready: ModuleType, serve: Serve, certificate: Path, found: dict[str, Any]) -> None:
    ask(ready, serve, certificate, 200, body(found))()


@pytest.mark.parametrize(
    ("health", "api", "why"),
    [
        (500, body(node()), "its /healthz says 500"),
        (200, body(node(age=60)), "it has not reported to the API server since its start"),
        (200, body(node("False", message="PLEG is not healthy")), "its Node is not Ready: PLEG is not healthy"),
        (200, body(node("Unknown", message="")), "its Node is not Ready: "),
        (200, body({"status": {}}), "its Node has no condition Ready yet"),
        (200, (404, b"{}"), "the API server answered 404 when asked for the Node"),
    ],
)
def test_kubelet_that_does_not(
    ready: ModuleType, serve: Serve, certificate: Path, health: int, api: tuple[int, bytes], why: str
) -> None:
    with pytest.raises(SystemExit) as end:
        ask(ready, serve, certificate, health, api)()
    assert end.value.code == why


@pytest.mark.parametrize(
    ("api", "said"), [(None, "the API server could not be asked"), ((403, b"{}"), "the API server answered 403")]
)
def test_without_an_api_server_its_own_word_has_to_do(
    ready: ModuleType,
    serve: Serve,
    certificate: Path,
    capsys: pytest.CaptureFixture[str],
    api: tuple[int, bytes] | None,
    said: str,
) -> None:
    ask(ready, serve, certificate, 200, api)()
    assert said in capsys.readouterr().out


def test_kubelet_that_is_not_there(ready: ModuleType) -> None:
    ready.HEALTHZ_PORT = 1  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="its /healthz does not answer"):
        ready.main("n1")
