"""The little of X.509 that joining needs, with the standard library only."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl


def ca_cert_hashes(pem: str) -> list[str]:
    """What kubeadm pins: "sha256:…" of the SubjectPublicKeyInfo of each certificate in a PEM bundle."""
    bodies = re.findall(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    if not bodies:
        raise ValueError("no certificate found")
    return ["sha256:" + hashlib.sha256(public_key_info(base64.b64decode(body))).hexdigest() for body in bodies]


def public_key_info(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a DER certificate, as it stands there."""
    _, certificate, _ = _element(der, 0)
    _, start, _ = _element(der, certificate)  # tbsCertificate
    tag, _, end = _element(der, start)
    if tag == 0xA0:  # [0] version, absent in version 1
        start = end
    for _ in ("serialNumber", "signature", "issuer", "validity", "subject"):
        _, _, start = _element(der, start)
    _, _, end = _element(der, start)
    return der[start:end]


def missing_names(certificate: str, key: str, ca: str, names: list[str]) -> list[str]:
    """Names and addresses that a serving certificate is not valid for: found by handshakes in memory.

    Raises ssl.SSLError (an OSError) when the files do not belong together.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=ca)
    return [name for name in names if not _valid_for(server, client, name)]


def _valid_for(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):  # client hello, server hello, finished, finished
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
                    return False
                raise
    return True


def _element(der: bytes, start: int) -> tuple[int, int, int]:
    """(tag, start of the content, end) of the element that starts there."""
    try:
        tag, length, content = der[start], der[start + 1], start + 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[content : content + size], "big")
            content += size
    except IndexError as error:
        raise ValueError("cut certificate") from error
    if content + length > len(der):
        raise ValueError("cut certificate")
    return tag, content, content + length
