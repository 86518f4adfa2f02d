"""What decides about a renewal, against real TLS servers: is it served, is etcd well, is the snapshot whole."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import kprov_certs_gate as gate
from ansible.module_utils import kprov_certs_served as served
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils import kprov_static_pods as static_pods
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_run import StepError

from tests.unit.plugins.certificates import NOW, Pair, issue

CA = issue("etcd-ca", now=NOW.replace(year=2020), days=36500)
DATABASE = b"page" * 1024
HEALTHY: dict[str, Any] = {
    "/v3/maintenance/status": {"header": {"member_id": "7", "revision": "42"}, "leader": "7", "dbSize": "4096"},
    "/v3/cluster/member/list": {"members": [{"ID": "7", "name": "cp1"}, {"ID": "8", "name": "cp2"}]},
    "/v3/maintenance/alarm": {},
    "/health": {"health": "true", "reason": ""},
}


def server_certificate() -> Pair:
    return issue("etcd", signer=CA, now=NOW.replace(year=2020), days=36500, names=("127.0.0.1",))


class Gateway(http.server.BaseHTTPRequestHandler):
    """Speaks as etcd's gRPC gateway does."""

    answers: dict[str, Any] = HEALTHY
    snapshot: bytes = b""

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._say(json.dumps(self.answers[self.path]).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v3/maintenance/snapshot":
            return self.do_GET()
        blobs = [self.snapshot[at : at + 1000] for at in range(0, len(self.snapshot), 1000)]
        lines = [json.dumps({"result": {"blob": base64.b64encode(blob).decode()}}) for blob in blobs]
        self._say("\n".join(lines).encode())

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(pki: Path, **attributes: object) -> Iterator[int]:
    """A TLS server with the certificate `server` of a directory; the port."""
    handler = type("Handler", (Gateway,), attributes)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki / "ca.crt")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def pki(node: Path) -> Path:
    directory = node / "etc/kubernetes/pki/etcd"
    CA.write(directory, "ca")
    server_certificate().write(directory, "server")
    return directory


def member(port: int) -> Etcd:
    directory = "/etc/kubernetes/pki/etcd"
    flags = {
        "listen-client-urls": f"https://127.0.0.1:{port},https://192.0.2.1:2379",
        "trusted-ca-file": f"{directory}/ca.crt",
        "cert-file": f"{directory}/server.crt",
        "key-file": f"{directory}/server.key",
    }
    return Etcd(static_pods.StaticPod("etcd", "".join(f"    - --{name}={value}\n" for name, value in flags.items())))


def with_checksum(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def test_a_snapshot_is_what_etcd_sent(pki: Path, node: Path) -> None:
    with serving(pki, snapshot=with_checksum(DATABASE)) as port:
        made = member(port).snapshot(str(node / "etcd.db"))
    assert (node / "etcd.db").read_bytes() == with_checksum(DATABASE)
    assert (node / "etcd.db").stat().st_mode & 0o777 == 0o600
    assert made == {"bytes": 4128, "sha256": hashlib.sha256(DATABASE).hexdigest(), "revision": "42"}


@pytest.mark.parametrize(
    "sent",
    [
        with_checksum(DATABASE)[:-1],
        with_checksum(DATABASE)[:-1] + b"x",
        b"x" + with_checksum(DATABASE)[1:],
        DATABASE,
        b"",
    ],
    ids=["cut", "checksum", "content", "without-checksum", "nothing"],
)
def test_a_damaged_snapshot_is_refused_and_leaves_no_file(pki: Path, node: Path, sent: bytes) -> None:
    with serving(pki, snapshot=sent) as port, pytest.raises(StepError, match="damaged"):
        member(port).snapshot(str(node / "etcd.db"))
    assert not list(node.glob("etcd.db*"))


def test_a_healthy_member(pki: Path) -> None:
    with serving(pki) as port:
        state = member(port).state()
    assert (state["name"], state["leader"], state["members"]) == ("cp1", "7", {"7": "cp1", "8": "cp2"})
    assert gate.etcd_problems(state) == []


@pytest.mark.parametrize(
    ("path", "answer", "problem"),
    [
        ("/health", {"health": "false", "reason": "RAFT NO LEADER"}, "not healthy: RAFT NO LEADER"),
        ("/v3/maintenance/status", {"header": {"member_id": "7"}}, "no leader"),
        ("/v3/maintenance/alarm", {"alarms": [{"memberID": "7", "alarm": "NOSPACE"}]}, "has raised NOSPACE"),
        (
            "/v3/cluster/member/list",
            {"members": [{"ID": "7", "name": "cp1"}, {"ID": "9", "name": "cp3", "isLearner": True}]},
            "learners: cp3",
        ),
    ],
)
def test_what_is_wrong_with_etcd_closes_the_gate(pki: Path, path: str, answer: dict[str, Any], problem: str) -> None:
    with serving(pki, answers={**HEALTHY, path: answer}) as port:
        (found,) = gate.etcd_problems(member(port).state())
    assert problem in found


def test_an_etcd_that_does_not_answer_says_where(pki: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(StepError, match=rf"etcd at 127\.0\.0\.1:{port}: .*refused"):
            member(port).state()


def test_the_proof_waits_for_a_reload_and_names_what_does_not_come(pki: Path) -> None:
    known = {"etcd-server": kubeadm.items()["etcd-server"]}
    with serving(pki) as port:
        where = served.Endpoint("etcd", "etcd-server", "127.0.0.1", port)
        assert served.prove([where], known, 0.0) == {}
        old = {name: (pki / name).read_bytes() for name in ("server.crt", "server.key")}
        server_certificate().write(pki, "server")
        (why,) = served.prove([where], known, 0.3).values()
        assert f"etcd at 127.0.0.1:{port} serves another certificate" in why

        def put_back() -> None:
            for name, content in old.items():
                (pki / name).write_bytes(content)

        timer = threading.Timer(0.5, put_back)
        timer.start()
        assert served.prove([where], known, 30.0) == {}
        timer.join()


def test_members_are_asked_at_their_own_addresses(pki: Path) -> None:
    with serving(pki, answers={"/health": {"health": "false", "reason": "RAFT NO LEADER"}}) as other:
        members = [
            {"name": "cp1", "clientURLs": []},
            {"name": "cp2", "clientURLs": [f"https://127.0.0.1:{other}"]},
            {"name": "cp3", "clientURLs": ["https://127.0.0.1:1"]},
            {"name": ""},
        ]
        with serving(pki, answers={"/v3/cluster/member/list": {"members": members}}) as port:
            first, second, third, fourth = member(port).unwell()
    assert first == "etcd: cp1 has no address"
    assert second == "etcd: cp2 is not healthy: RAFT NO LEADER"
    assert "cp3: etcd at 127.0.0.1:1: " in third and "refused" in third
    assert "never started" in fourth
    answers = dict(HEALTHY)
    with serving(pki, answers=answers) as port:
        alone = [{"name": "cp1", "clientURLs": [f"https://127.0.0.1:{port}"]}]
        answers["/v3/cluster/member/list"] = {"members": alone}
        assert member(port).unwell() == []


@pytest.mark.parametrize(
    ("planes", "said"),
    [(["cp1"], []), (["cp1", "cp2"], ["2 control planes (cp1, cp2), but 1 API servers answer"])],
)
def test_other_control_planes_close_the_gate(node: Path, planes: list[str], said: list[str]) -> None:
    directory = node / "etc/kubernetes/pki"
    CA.write(directory, "ca")
    names = ("kubernetes", "127.0.0.1")
    issue("apiserver", signer=CA, now=NOW.replace(year=2020), days=36500, names=names).write(directory, "server")
    admin = issue("admin", signer=CA, now=NOW.replace(year=2020), days=36500)
    (node / "etc/kubernetes/admin.conf").write_text(admin.kubeconfig())
    answers: dict[str, Any] = {"/readyz": "ok"}
    answers[gate.CONTROL_PLANES] = {"items": [{"metadata": {"name": name}} for name in planes]}
    with serving(directory, answers=answers) as port:
        slices = [{"ports": [{"port": port}], "endpoints": [{"addresses": ["127.0.0.1"]}]}]
        answers[gate.API_SERVERS] = {"items": slices}
        flags = f"- --client-ca-file=/etc/kubernetes/pki/ca.crt\n- --bind-address=127.0.0.1\n- --secure-port={port}\n"
        pods = {"kube-apiserver": static_pods.StaticPod("kube-apiserver", flags)}
        assert gate.judge_cluster(pods) == (len(planes), said)
