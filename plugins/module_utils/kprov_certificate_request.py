"""A request for a certificate (PKCS #10, RFC 2986) that asks for exactly what another one says, byte for byte.

Put together here, because what openssl makes of a configuration is not the bytes of the certificate; keys and
signatures are openssl's. `kubeadm certs generate-csr` asks for what kubeadm's configuration says, which need not be
what the cluster runs with, and for no usages.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import textwrap

from ansible.module_utils.kprov_certificate import IDENTITY, Certificate, elements, oid
from ansible.module_utils.kprov_kubeadm_run import StepError

OPENSSL_SECONDS = 60.0
RSA, EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
CURVES = {"1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384", "1.3.132.0.35": "P-521"}
KEY_USAGE = "2.5.29.15"
# DER of object identifiers and of whole algorithms (RFC 5280, RFC 2985, RFC 5758).
OIDS = {"2.5.29.17": "0603551d11", KEY_USAGE: "0603551d0f", "2.5.29.37": "0603551d25"}
EXTENSION_REQUEST = "06092a864886f70d01090e"
SIGNATURES = {RSA: "300d06092a864886f70d01010b0500", EC: "300a06082a8648ce3d040302"}  # both with SHA-256
BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"


def new_key(like: bytes) -> bytes:
    """A private key, PEM, of the kind of a public one (SubjectPublicKeyInfo). Raises StepError."""
    algorithm, detail = _kind(like)
    if algorithm == RSA:
        return _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{max(int(detail), 2048)}")
    curve = ("-pkeyopt", f"ec_paramgen_curve:{CURVES[detail]}", "-pkeyopt", "ec_param_enc:named_curve")
    return _openssl("genpkey", "-algorithm", "EC", *curve)


def public_key(key: str) -> bytes:
    """SubjectPublicKeyInfo of the private key in a file. Raises StepError."""
    return _openssl("pkey", "-in", key, "-pubout", "-outform", "DER")


def asks(like: Certificate, public: bytes) -> bytes:
    """CertificationRequestInfo: the subject, names and usages of a certificate, for a public key."""
    extensions = b"".join(
        _element(0x30, bytes.fromhex(OIDS[name]) + _critical(name) + _element(0x04, like.extensions[name]))
        for name in IDENTITY
        if name in like.extensions
    )
    attribute = _element(0x30, bytes.fromhex(EXTENSION_REQUEST) + _element(0x31, _element(0x30, extensions)))
    version = bytes.fromhex("020100")
    return _element(0x30, version + like.subject + public + _element(0xA0, attribute if extensions else b""))


def request(like: Certificate, key: str) -> str:
    """The request, PEM, signed with the private key in a file. Raises StepError."""
    public = public_key(key)
    info = asks(like, public)
    signature = _openssl("dgst", "-sha256", "-sign", key, given=info)
    whole = _element(0x30, info + bytes.fromhex(SIGNATURES[_kind(public)[0]]) + _element(0x03, b"\0" + signature))
    lines = textwrap.wrap(base64.b64encode(whole).decode(), 64)
    return "\n".join((BEGIN, *lines, END, ""))


def signed_part(pem: str) -> bytes | None:
    """CertificationRequestInfo of a request; None where there is none that can be read."""
    found = re.search(f"{BEGIN}(.+?){END}", pem, re.DOTALL)
    try:
        _, _, content = next(elements(base64.b64decode(found.group(1)))) if found else (0, b"", b"")
        return next(elements(content))[1]
    except (ValueError, IndexError, StopIteration):
        return None


def _kind(public: bytes) -> tuple[str, str]:
    """(algorithm, bits of an RSA key or curve) of a SubjectPublicKeyInfo. Raises StepError."""
    algorithm, bits = elements(next(elements(public))[2])
    name, *parameters = elements(algorithm[2])
    kind = oid(name[2])
    if kind == RSA:
        modulus = next(elements(next(elements(bits[2][1:]))[2]))[2]
        return RSA, str(int.from_bytes(modulus, "big").bit_length())
    curve = oid(parameters[0][2]) if kind == EC and parameters else ""
    if curve not in CURVES:
        raise StepError(f"a key of a kind that kubeadm does not make ({kind} {curve}): give it an RSA or ECDSA key")
    return EC, curve


def _critical(name: str) -> bytes:
    """RFC 5280, section 4.2.1.3: a key usage should be."""
    return bytes.fromhex("0101ff") if name == KEY_USAGE else b""


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    """What it writes: a private key goes through a pipe, never through a file of openssl's."""
    program = shutil.which("openssl", path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    if not program:
        raise StepError("openssl is not on this node, which makes keys and signs requests: install the package openssl")
    try:
        done = subprocess.run(
            [program, *arguments], input=given, capture_output=True, timeout=OPENSSL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"openssl {arguments[0]} did not end within {OPENSSL_SECONDS:g} s") from None
    if done.returncode != 0:
        raise StepError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
