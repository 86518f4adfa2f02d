"""Which names a serving certificate is valid for, with the standard library only."""

from __future__ import annotations

import ssl


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
