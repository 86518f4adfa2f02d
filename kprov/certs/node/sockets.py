"""What each live socket of this node serves: a TLS handshake that checks nothing and looks at the certificate."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kprov.certs.node import pem
from kprov.remote.node import network, read
from kprov.remote.node.processes import flag

TIMEOUT = 3.0  # seconds, for connecting and for the handshake
PARALLEL = 16
EVERYWHERE = ("0.0.0.0", "::")
# Component to the flag with its port, and the port without it.
PORTS = {
    "kube-apiserver": ("secure-port", 6443),
    "kube-controller-manager": ("secure-port", 10257),
    "kube-scheduler": ("secure-port", 10259),
}


def look(components: dict[str, Any], address: str, endpoints: list[str], tries: int) -> list[dict[str, Any]]:
    """component, address, port, der (base64) or error: for each socket of a component, and each endpoint's try.

    address: of this node, for sockets that listen on all of them. endpoints: HOST:PORT of load balancers and virtual
    addresses, asked `tries` times each, because more than one API server may answer.
    """
    listening = [(place, port) for place, port, _ in network.listening()]
    asked: list[tuple[str, str, int]] = [
        (name, *place) for name, ports in wanted(components).items() for place in _places(ports, listening, address)
    ]
    asked += [("endpoint", *_split(endpoint)) for endpoint in endpoints for _ in range(tries)]
    identity = _identity(components)
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        return list(pool.map(lambda one: _ask(one, identity if one[0].startswith("etcd") else None), asked))


def wanted(components: dict[str, Any]) -> dict[str, set[int]]:
    """Name to the ports that it should serve TLS on. etcd has two: for its clients and for its peers."""
    found = {}
    for name, (option, port) in PORTS.items():
        if name in components:
            found[name] = {int(flag(components[name]["args"], option) or port)}
    if "etcd" in components:
        args = components["etcd"]["args"]
        found["etcd"] = _url_ports(flag(args, "listen-client-urls") or "https://127.0.0.1:2379")
        found["etcd-peer"] = _url_ports(flag(args, "listen-peer-urls") or "https://127.0.0.1:2380")
    if "kubelet" in components:
        texts = [text for _, text in components["kubelet"]["files"]]
        ports = re.findall(r"^port:\s*(\d+)", "\n".join(texts), re.MULTILINE)
        found["kubelet"] = {int(flag(components["kubelet"]["args"], "port") or (ports[-1] if ports else 10250))}
    return found


def _url_ports(urls: str) -> set[int]:
    return {int(port) for port in re.findall(r"https://[^,]*:(\d+)", urls)}


def _places(ports: set[int], listening: list[tuple[str, int]], address: str) -> list[tuple[str, int]]:
    """Where a port is listened on; where it is not, the place where it should be, so that this is said."""
    found = []
    for port in sorted(ports):
        here = sorted({place for place, number in listening if number == port})
        everywhere = any(place in EVERYWHERE for place in here)
        places = [address] if everywhere or not here else here
        found += [(place, port) for place in places]
    return found


def _split(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _ask(place: tuple[str, str, int], identity: tuple[str, str] | None) -> dict[str, Any]:
    component, address, port = place
    about = {"component": component, "address": address, "port": port}
    try:
        return {**about, "der": base64.b64encode(_served(address, port, identity)).decode(), "error": None}
    except (OSError, ValueError) as error:
        return {**about, "der": None, "error": getattr(error, "strerror", None) or str(error) or type(error).__name__}


def _served(address: str, port: int, identity: tuple[str, str] | None) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity:  # without one etcd answers all the same, but fills its log with failed handshakes
        with contextlib.suppress(OSError):
            context.load_cert_chain(*identity)
    named = bool(re.search("[a-z]", address, re.I)) and ":" not in address
    name = address if named else None
    with (  # closes both, in whichever of them it fails
        contextlib.closing(socket.create_connection((address, port), timeout=TIMEOUT)) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        found = tls.getpeercert(binary_form=True)
    if not found:
        raise ValueError("it served no certificate")
    return found


def _identity(components: dict[str, Any]) -> tuple[str, str] | None:
    """What etcd's peers log in with: kubeadm's is good for a client, too."""
    args = components.get("etcd", {}).get("args", [])
    certificate, key = (flag(args, name) or "" for name in ("peer-cert-file", "peer-key-file"))
    usable = read.exists(certificate) and pem.has_key(read.text_or(key))
    return (read.real(certificate), read.real(key)) if usable else None
