"""Requests of kubelets, as the API has them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.unit.certs import pki
from tests.unit.certs.pki import NOW

USAGES = ["digital signature", "server auth"]


def pkcs10(
    name: str = "system:node:w1", org: str | None = "system:nodes", sans: tuple[Any, ...] = ("w1", "10.1.0.101")
) -> str:
    """A request in PEM. sans: texts, or names of other kinds."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org)] if org else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    names = [pki.general_name(san) if isinstance(san, str) else san for san in sans]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(pki.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def request(
    pem: str | None = None,
    requestor: str = "system:node:w1",
    name: str = "csr-1",
    age: float = 5.0,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A CertificateSigningRequest, right in every respect unless it is told otherwise."""
    wanted = {
        "signerName": "kubernetes.io/kubelet-serving",
        "username": requestor,
        "groups": ["system:nodes", "system:authenticated"],
        "usages": USAGES,
        "request": base64.b64encode((pem or pkcs10()).encode()).decode(),
        **spec,
    }
    created = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "creationTimestamp": created, "resourceVersion": "7"}
    return {"metadata": metadata, "spec": wanted, "status": status or {}}
