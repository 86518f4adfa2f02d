"""A control plane in a directory: kubeadm's files, processes, and sockets that really speak TLS on the loopback."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kprov.certs.item import Inventory
from kprov.certs.look import Answer, Unread, inventory
from kprov.certs.node.main import collect
from tests.unit.certs import pki
from tests.unit.certs.pki import NOW, Kubeadm, Pair

PKI = "/etc/kubernetes/pki"
KUBELET = "/var/lib/kubelet"
LOOPBACK = "127.0.0.1"
BOOTED = int(NOW.timestamp()) - 10**6
SOCKETS = ("api", "manager", "scheduler", "etcd", "peer", "kubelet")


def bound(host: str) -> socket.socket:
    """A socket with a port of its own."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.bind((host, 0))
    return found


class Node:
    """Files below a directory that kprov.remote.node.read takes for the node's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Taken from now on, but nobody listens: a connection is refused until a server does.
        self.sockets = {name: bound(LOOPBACK) for name in SOCKETS}
        self.ports: dict[str, int] = {name: taken.getsockname()[1] for name, taken in self.sockets.items()}
        self.put("/proc/stat", f"cpu 1\nbtime {BOOTED}\n")

    def close(self) -> None:
        """Gives the ports back."""
        for taken in self.sockets.values():
            taken.close()

    def path(self, path: str) -> Path:
        """Where a path of the node is."""
        return self.root / path.lstrip("/")

    def put(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Write a file."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def pair(self, path: str, pair: Pair, key: str | None = None) -> None:
        """A certificate, and its key beside it."""
        self.put(path, pair.pem)
        self.put(key or path.replace(".crt", ".key"), pair.key_pem, 0o600)

    def kubeconfig(self, path: str, document: dict[str, Any], mode: int = 0o600) -> None:
        """A kubeconfig."""
        self.put(path, pki.text(document), mode)

    def remove(self, path: str) -> None:
        """Take a file away."""
        self.path(path).unlink()

    def runs(self, pid: int, *arguments: str, started: float | None = None, environment: str = "") -> None:
        """A process. started: seconds since the epoch, default now."""
        ticks = int(((started or time.time()) - BOOTED) * os.sysconf("SC_CLK_TCK"))
        self.put(f"/proc/{pid}/cmdline", "\0".join(arguments) + "\0")
        self.put(f"/proc/{pid}/stat", f"{pid} (a) b) S " + " ".join(["0"] * 18) + f" {ticks} 0")
        self.put(f"/proc/{pid}/environ", environment)

    def answer(self, *endpoints: str, tries: int = 1) -> dict[str, Any]:
        """What the node says, after its way through JSON."""
        question = {"address": LOOPBACK, "endpoints": list(endpoints), "tries": tries}
        found: dict[str, Any] = json.loads(json.dumps(collect(question)))
        return found

    def inventory(self, *endpoints: str, tries: int = 1) -> Inventory:
        """What is made of it."""
        return of(cp1=self.answer(*endpoints, tries=tries))


def of(planes: tuple[str, ...] = (), skew: float = 0, **answers: dict[str, Any] | Unread) -> Inventory:
    """The inventory of several hosts, at NOW. skew: seconds that their clocks are wrong."""
    read: dict[str, Answer | Unread] = {
        host: answer if isinstance(answer, Unread) else Answer(answer, skew) for host, answer in answers.items()
    }
    return inventory(read, NOW, planes)


def kubeadm_files(node: Node, made: Kubeadm) -> None:
    """/etc/kubernetes and /var/lib/kubelet after `kubeadm init`, nothing running."""
    for name, ca in (("ca", made.ca), ("etcd/ca", made.etcd_ca), ("front-proxy-ca", made.front_proxy_ca)):
        node.pair(f"{PKI}/{name}.crt", ca)
    for name, leaf in made.leaves.items():
        node.pair(f"{PKI}/{name}", leaf)
    for name, user in made.users.items():
        node.kubeconfig(f"/etc/kubernetes/{name}", pki.kubeconfig(user, made.ca))
    current = f"{KUBELET}/pki/kubelet-client-current.pem"
    follows = {"client-certificate": current, "client-key": current}
    node.kubeconfig("/etc/kubernetes/kubelet.conf", pki.kubeconfig(follows, made.ca, user="system:node:cp1"))
    node.put(f"{KUBELET}/pki/kubelet-client-2026.pem", made.kubelet.pem + made.kubelet.key_pem, 0o600)
    node.path(current).symlink_to("kubelet-client-2026.pem")
    node.pair(f"{KUBELET}/pki/kubelet.crt", made.kubelet_server)
    node.put(f"{KUBELET}/config.yaml", f"rotateCertificates: true\nport: {node.ports['kubelet']}\n")
    node.put(f"{PKI}/sa.pub", made.service_account.public_pem)
    node.put(f"{PKI}/sa.key", made.service_account.key_pem, 0o600)
    for name, flags in manifests(node.ports).items():
        lines = [f"    - --{flag}" for flag in flags]
        manifest = ["kind: Pod", "spec:", "  containers:", "  - command:", f"    - {name}", *lines]
        node.put(f"/etc/kubernetes/manifests/{name}.yaml", "\n".join(manifest) + "\n", 0o600)


def manifests(ports: dict[str, int]) -> dict[str, list[str]]:
    """kubeadm's flags that name certificates or ports."""
    own = "/etc/kubernetes"
    return {
        "kube-apiserver": [
            f"client-ca-file={PKI}/ca.crt",
            f"etcd-cafile={PKI}/etcd/ca.crt",
            f"etcd-certfile={PKI}/apiserver-etcd-client.crt",
            f"kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
            f"proxy-client-cert-file={PKI}/front-proxy-client.crt",
            f"requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
            f"secure-port={ports['api']}",
            f"service-account-key-file={PKI}/sa.pub",
            f"service-account-signing-key-file={PKI}/sa.key",
            f"tls-cert-file={PKI}/apiserver.crt",
        ],
        "kube-controller-manager": [
            f"authentication-kubeconfig={own}/controller-manager.conf",
            f"cluster-signing-cert-file={PKI}/ca.crt",
            f"kubeconfig={own}/controller-manager.conf",
            f"secure-port={ports['manager']}",
            f"service-account-private-key-file={PKI}/sa.key",
        ],
        "kube-scheduler": [f"kubeconfig={own}/scheduler.conf", f"secure-port={ports['scheduler']}"],
        "etcd": [
            f"cert-file={PKI}/etcd/server.crt",
            f"listen-client-urls=https://{LOOPBACK}:{ports['etcd']}",
            f"listen-peer-urls=https://{LOOPBACK}:{ports['peer']}",
            f"peer-cert-file={PKI}/etcd/peer.crt",
            f"peer-key-file={PKI}/etcd/peer.key",
            f"trusted-ca-file={PKI}/etcd/ca.crt",
        ],
    }


class TlsServer:
    """Handshakes and no more. shows: what it serves, may be replaced at any time."""

    def __init__(
        self, shows: Pair, taken: socket.socket | None = None, client_ca: Pair | None = None, host: str = LOOPBACK
    ) -> None:
        self.shows = shows
        self.client_ca = client_ca
        self.logged_in: list[str] = []
        self._listener = taken or bound(host)
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nobody listens afterwards."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def context(self) -> ssl.SSLContext:
        """What it serves now; with TLS 1.2 a server refuses a client without certificate before the handshake ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.shows.pem + self.shows.key_pem)
            file.flush()
            context.load_cert_chain(file.name)
        if self.client_ca:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.client_ca.pem)
        return context

    def handle(self, connection: ssl.SSLSocket) -> None:
        """After the handshake."""

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self.context().wrap_socket(plain, server_side=True) as connection:
                    presented: dict[str, Any] = connection.getpeercert() or {}  # type: ignore[assignment]
                    self.logged_in += [value for part in presented.get("subject", ()) for _, value in part]
                    self.handle(connection)
            except OSError:
                plain.close()


class ApiServer(TlsServer):
    """objects: path to object, the others are not found. put: path to what was put there, answered with itself."""

    def __init__(self, shows: Pair, taken: socket.socket, objects: dict[str, Any]) -> None:
        self.objects = objects
        self.put: dict[str, Any] = {}
        super().__init__(shows, taken)

    def handle(self, connection: ssl.SSLSocket) -> None:
        stream = connection.makefile("rb")
        while line := stream.readline():
            verb, path = line.decode().split()[:2]
            length = 0
            while header := stream.readline().strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            found = self.objects.get(path)
            if verb == "PUT":
                found = self.put[path] = json.loads(stream.read(length))
            body = json.dumps(found or {}).encode()
            status = b"200 OK" if found else b"404 Not Found"
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def lease(age: float = 1.0, now: datetime = NOW) -> dict[str, Any]:
    """A lease that was renewed so many seconds before now."""
    renewed = (now - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    return {"spec": {"holderIdentity": "cp1_1", "renewTime": renewed}}


@contextmanager
def serving(node: Node, made: Kubeadm) -> Iterator[dict[str, Any]]:
    """Every socket of a control plane, and its processes. Yields the servers by name."""
    now = datetime.now(UTC)  # commands look at the clock, and a slow machine is a minute behind NOW
    objects = {
        f"{LEASES}/kube-controller-manager": lease(now=now),
        f"{LEASES}/kube-scheduler": lease(now=now),
        "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt": {"data": {"ca.crt": made.ca.pem}},
        "/api/v1/namespaces/kube-public/configmaps/cluster-info": {
            "data": {"kubeconfig": pki.text(pki.kubeconfig({}, made.ca))}
        },
    }
    for pid, (name, flags) in enumerate(manifests(node.ports).items(), start=100):
        node.runs(pid, f"/usr/local/bin/{name}", *(f"--{flag}" for flag in flags))
    listening = [f" {n}: 0100007F:{port:04X} 0:0 0A 0:0 0:0 0 0 0 {n}" for n, port in enumerate(node.ports.values())]
    node.put("/proc/net/tcp", "\n".join(["head", *listening]) + "\n")
    ports, own = node.sockets, made.leaves
    servers: dict[str, TlsServer] = {
        "api": ApiServer(own["apiserver.crt"], ports["api"], objects),
        "manager": TlsServer(pki.authority("localhost@1", days=365), ports["manager"]),
        "scheduler": TlsServer(pki.authority("localhost@2", days=365), ports["scheduler"]),
        "etcd": TlsServer(own["etcd/server.crt"], ports["etcd"], client_ca=made.etcd_ca),
        "peer": TlsServer(own["etcd/peer.crt"], ports["peer"], client_ca=made.etcd_ca),
        "kubelet": TlsServer(made.kubelet_server, ports["kubelet"]),
    }
    try:
        yield servers
    finally:
        for server in servers.values():
            server.close()
