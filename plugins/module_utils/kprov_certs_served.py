"""What a control plane serves, against what is in its files: the proof that a renewed certificate is in use."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass

from ansible.module_utils.kprov_certificate import Certificate
from ansible.module_utils.kprov_kubeadm_certs import Item, read
from ansible.module_utils.kprov_static_pods import StaticPod

HANDSHAKE_SECONDS = 5.0
POLL = 0.2
ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Endpoint:
    """An address at which a static pod serves the certificate of an item."""

    component: str
    item: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.component} at {f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def endpoints(pods: dict[str, StaticPod]) -> list[Endpoint]:
    """Every address on this node, from the flags in the manifests."""
    found = []
    api, etcd = pods.get("kube-apiserver"), pods.get("etcd")
    if api:
        bound = api.flag("bind-address") or "0.0.0.0"
        advertised = api.flag("advertise-address") or "127.0.0.1"
        port = int(api.flag("secure-port") or 6443)
        hosts = ["127.0.0.1", advertised] if bound in ANY_ADDRESS else [bound]
        found += [Endpoint("kube-apiserver", "apiserver", host, port) for host in dict.fromkeys(hosts)]
    for item, flag in (("etcd-server", "listen-client-urls"), ("etcd-peer", "listen-peer-urls")):
        for url in ((etcd and etcd.flag(flag)) or "").split(","):
            parts = urllib.parse.urlsplit(url)
            if parts.scheme == "https" and parts.hostname:
                host = "127.0.0.1" if parts.hostname in ANY_ADDRESS else parts.hostname
                found.append(Endpoint("etcd", item, host, int(parts.port or 2379)))
    return found


def leaf(endpoint: Endpoint) -> str:
    """SHA-256 of the certificate served. Raises OSError. Not verified: it is compared with the file, byte by byte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection((endpoint.host, endpoint.port), timeout=HANDSHAKE_SECONDS)
    with plain, context.wrap_socket(plain) as secure:
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


def problem(endpoint: Endpoint, wanted: Certificate) -> str | None:
    """None when the address serves that certificate."""
    try:
        served = leaf(endpoint)
    except OSError as error:
        return f"{endpoint}: {error}"
    if served == wanted.sha256:
        return None
    return f"{endpoint} serves another certificate (SHA-256 {served[:16]}…) than the file has ({wanted.sha256[:16]}…)"


def prove(found: list[Endpoint], known: dict[str, Item], deadline: float) -> dict[Endpoint, str]:
    """Wait until every address serves what is in its file; those that did not within `deadline` seconds, and why."""
    end = time.monotonic() + deadline
    while True:
        problems = {each: why for each in found if (why := problem(each, read(known[each.item])))}
        if not problems or time.monotonic() >= end:
            return problems
        time.sleep(POLL)
