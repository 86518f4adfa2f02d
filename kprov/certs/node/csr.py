"""Requests for certificates that wait for the answer of a CA that is elsewhere; their keys are never looked at."""

from __future__ import annotations

from kprov.remote.node import read

DIRECTORY = "/var/lib/kprov/csr"  # of the module kprov_certs_request
SUFFIX = ".csr"


def look() -> dict[str, str]:
    """kubeadm's name of the certificate to the request, PEM. Raises OSError."""
    names = [name for name in read.names(DIRECTORY) if name.endswith(SUFFIX) and not name.startswith(".")]
    return {name.removesuffix(SUFFIX): read.text(f"{DIRECTORY}/{name}") for name in names}
