"""Certificates and keys in PEM, and whether a key belongs to a certificate."""

from __future__ import annotations

import os
import re
import ssl

CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
BEGIN = re.compile("-----BEGIN ([A-Z0-9 ]+)-----")
MISMATCH = "KEY_VALUES_MISMATCH"


def certificates(text: str) -> str:
    """The certificates in a text, one after the other, without anything else (a key may be in the same file)."""
    return "\n".join(CERTIFICATE.findall(text))


def has_key(text: str) -> bool:
    """Whether there is a private key in a text."""
    return KEY.search(text) is not None


def is_something_else(text: str) -> bool:
    """Whether it is PEM, but of other things only: a key, a request, parameters."""
    found = BEGIN.findall(text)
    return bool(found) and "CERTIFICATE" not in found


def key_problem(certificate: str, key: str) -> str | None:
    """Why a private key does not belong to a certificate; None if it does.

    Python compares them only when it loads them from a file: one in memory, so that no disk sees it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL's taste in key sizes is not the question
    descriptor = os.memfd_create("kprov")
    try:
        os.write(descriptor, f"{certificate}\n{key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    except ssl.SSLError as error:
        if error.reason == MISMATCH:
            return "it is of another certificate"
        return f"it cannot be used: {(error.reason or str(error)).replace('_', ' ').lower()}"
    finally:
        os.close(descriptor)
    return None
