"""Which names a serving certificate is valid for, and whether a client's is accepted: handshakes in memory.

With the standard library only, which has nothing else that verifies a signature.
"""

from __future__ import annotations

import ssl

from ansible.module_utils.kprov_kubeadm_certs import load_pair


def missing_names(certificate: str, key: str, ca: str, names: list[str]) -> list[str]:
    """Names and addresses that a serving certificate is not valid for.

    Raises ssl.SSLError (an OSError) when the files do not belong together.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=ca)
    return [name for name in names if not _valid_for(server, client, name)]


def client_problem(certificate: bytes, key: bytes, authorities: str) -> str | None:
    """Why a server that trusts these CAs refuses a client with this pair, all PEM; None: it lets it in."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE  # this is about the client alone
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authorities)
    try:
        for context in (server, client):
            load_pair(context, certificate, key)
    except ssl.SSLError:
        return "its certificate and its key do not belong together"
    try:
        _shake(server, client, "")
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is refused: {error.verify_message}"
    return None


def _valid_for(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str) -> bool:
    try:
        _shake(server_context, client_context, name)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return False
        raise
    return True


def _shake(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str) -> None:
    """name: that the client asks for, if any. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name or None)
    for _ in range(4):  # client hello, server hello, finished, finished
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
