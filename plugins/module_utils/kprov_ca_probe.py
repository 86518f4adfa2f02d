"""Whom a control plane lets in: found by showing it certificates, whatever its files say."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from typing import Callable

from ansible.module_utils import kprov_certs_served as served
from ansible.module_utils.kprov_ca_files import Authority, Pair
from ansible.module_utils.kprov_certs_api import ERRORS, Api
from ansible.module_utils.kprov_certs_served import HANDSHAKE_SECONDS, Endpoint
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_static_pods import StaticPod

POLL = 0.5
ACCEPTED, REFUSED = "accepts", "refuses"
# What Go's TLS server says to a certificate of a CA that it does not trust.
UNTRUSTED = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN")
USER = "kprov:probe"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW_BODY = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})


def wait_for(answers: Callable[[], dict[str, str]], wanted: str, whose: str, deadline: float) -> list[str]:
    """Where everybody answers as wanted to a certificate. Raises StepError when somebody does not in time."""
    end = time.monotonic() + deadline
    while True:
        found = answers()
        wrong = [f"{where} {said}" for where, said in found.items() if said != wanted]
        if found and not wrong:
            return sorted(found)
        if time.monotonic() >= end:
            said = "; ".join(wrong) or "nobody listens"
            raise StepError(f"not everything {wanted} a certificate of the {whose} CA within {deadline:g} s: {said}")
        time.sleep(POLL)


def answers(authority: Authority, pods: dict[str, StaticPod], pair: Pair) -> dict[str, str]:
    """Where the CA's certificates are verified on this node -> ACCEPTED, REFUSED or what else came of it."""
    if authority.name == "front-proxy-ca":
        api = Api(pods["kube-apiserver"])
        return {f"kube-apiserver at {api.address}:{api.port}": proxied(api, pods["kube-apiserver"], pair)}
    places = [each for each in served.endpoints(pods) if each.component == "etcd"]
    return {str(place): connected(place, pair) for place in places}


def connected(place: Endpoint, pair: Pair) -> str:
    """What a TLS server that wants a client certificate says to this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # this is about what it thinks of us
    try:
        pair.load(context)
        plain = socket.create_connection((place.host, place.port), timeout=HANDSHAKE_SECONDS)
        with plain, context.wrap_socket(plain) as secure:
            # In TLS 1.3 the server says what it thinks of a client's certificate only after the handshake.
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError):  # it is gone, and has said why
                secure.sendall(b"GET /version HTTP/1.0\r\n\r\n")
            said = secure.recv(64)
    except ssl.SSLError as error:
        return REFUSED if any(reason in (error.reason or "") for reason in UNTRUSTED) else f"answers {error}"
    except OSError as error:
        return f"gives no answer: {error}"
    return ACCEPTED if said.startswith(b"HTTP/") else "closes the connection"


def proxied(api: Api, pod: StaticPod, pair: Pair) -> str:
    """Whether the API server believes a front proxy with this certificate whom it speaks for."""
    header = (pod.flag("requestheader-username-headers") or "X-Remote-User").split(",")[0]
    try:
        status, said = api.send("POST", REVIEW, pair.load, REVIEW_BODY, headers={header: USER})
    except ERRORS as error:
        return f"gives no answer: {error}"
    if status == 401:
        return REFUSED
    try:
        name = json.loads(said)["status"]["userInfo"]["username"]
    except (ValueError, KeyError, TypeError):
        return f"answers {status}: {said[:200]}"
    return ACCEPTED if name == USER else f"takes it for {name}"
