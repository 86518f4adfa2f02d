"""Whether a certificate that another CA has signed is the one that was asked for. Pure; nothing is in place yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kprov.certs.certificate import Certificate, between
from kprov.certs.identity import Identity, identity
from kprov.certs.item import Item
from kprov.errors import Severity

LOST = "a CA that does not copy what the request asks for loses it: `-copy_extensions copyall` of openssl"


@dataclass(frozen=True)
class Verdict:
    """An error: it would not work, or be another one than asked for. A warning: it works, and somebody should know."""

    severity: Severity
    message: str
    hint: str | None = None


def judge(
    certificate: Certificate,
    chain: Sequence[Certificate],
    request: str,
    item: Item,
    authorities: Sequence[Item],
    now: datetime,
) -> list[Verdict]:
    """Everything that is wrong with one certificate. chain: what came with it.

    request: PEM, the one that waits on the host. item: what is in place. authorities: of the item, on its host. now: by
    the host's clock.
    """
    try:
        asked = identity(x509.load_pem_x509_csr(request.encode()))
        found, present = identity(certificate.x509), identity(item.certificate.x509)
    except ValueError as error:
        return [Verdict("error", f"it cannot be compared with its request: {error}")]
    if (asked.subject, asked.names) != (present.subject, present.names):
        message = "its request asks for another subject or other names than the certificate in place has by now"
        return [Verdict("error", message, "`kprov certs csr export` makes a new request, to be signed again")]
    return [
        *_owner(asked, found),
        *_usage(asked, found),
        *(_authority(certificate, chain, authorities) if not _weak(certificate) else ()),
        *_time(certificate, item, now),
        *_form(certificate),
    ]


def _owner(asked: Identity, found: Identity) -> Iterator[Verdict]:
    if found.public_key != asked.public_key:
        message = "its public key is not that of the request that waits on the host"
        yield Verdict("error", message, "it answers another host's request, or one of an earlier export")
    if found.subject != asked.subject:
        yield Verdict("error", f"its subject is {_words(found)}, asked for was {_words(asked)}")
    if asked.names - found.names:
        yield Verdict("error", f"it lacks the names {', '.join(sorted(asked.names - found.names))}", LOST)
    if found.names - asked.names:
        yield Verdict("error", f"it has names that nobody asked for: {', '.join(sorted(found.names - asked.names))}")


def _usage(asked: Identity, found: Identity) -> Iterator[Verdict]:
    for what, wanted, given in (
        ("key usage", asked.key_usage, found.key_usage),
        ("extended key usage", asked.extended_key_usage, found.extended_key_usage),
    ):
        if wanted is None:
            continue
        if given is None:
            yield Verdict("warning", f"it says no {what}, so it may be used for anything", LOST)
        elif wanted - given:
            yield Verdict("error", f"it lacks the {what} {', '.join(sorted(wanted - given))}", LOST)
        elif given - wanted:
            yield Verdict("warning", f"its {what} has what nobody asked for: {', '.join(sorted(given - wanted))}")


def _authority(
    certificate: Certificate, chain: Sequence[Certificate], authorities: Sequence[Item]
) -> Iterator[Verdict]:
    if certificate.is_ca:
        yield Verdict("error", "it is a CA's: whoever has its key could sign others")
    if not authorities:
        yield Verdict("error", "the host has no certificate of the CA that should sign it")
        return
    known = [one.certificate for one in authorities]
    path = between(certificate, chain, known)
    if path is None:
        place = authorities[0].place
        message = f"it is not signed by {place} ({known[0].subject}), but by {certificate.issuer}"
        yield Verdict("error", message, "certificates between it and that CA belong into the same file, after it")
        return
    end = max(one.not_after for one in known if (path[-1] if path else certificate).signed_by(one))
    end = min([end, *(one.not_after for one in path)])
    if certificate.not_after > end:
        yield Verdict("warning", f"its CA ends first, on {end:%Y-%m-%d %H:%M} UTC")


def _time(certificate: Certificate, item: Item, now: datetime) -> Iterator[Verdict]:
    if certificate.not_before > now:
        yield Verdict("error", f"it is not valid before {certificate.not_before:%Y-%m-%d %H:%M:%S} UTC")
    if certificate.not_after <= now:
        yield Verdict("error", f"it expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC")
    elif certificate.not_after < item.certificate.not_after:
        ends = f"{certificate.not_after:%Y-%m-%d %H:%M}"
        yield Verdict("warning", f"it ends on {ends} UTC, before the one that it replaces")


def _weak(certificate: Certificate) -> str | None:
    """A digest that Go's crypto/x509 refuses (https://go.dev/doc/go1.18#sha1), and that nothing here verifies."""
    digest = certificate.x509.signature_hash_algorithm
    return digest.name if isinstance(digest, (hashes.SHA1, hashes.MD5)) else None


def _form(certificate: Certificate) -> Iterator[Verdict]:
    """What Go's crypto/x509 refuses whatever it says."""
    if weak := _weak(certificate):
        yield Verdict("error", f"it is signed with {weak}, which Kubernetes refuses", "sign with SHA-256")
    for extension in certificate.x509.extensions:
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            oid = extension.oid.dotted_string
            yield Verdict("error", f"it has a critical extension that Kubernetes does not know: {oid}")


def _words(found: Identity) -> str:
    short = {"2.5.4.3": "CN", "2.5.4.10": "O"}
    return ",".join(f"{short.get(oid, oid)}={value}" for oid, value in found.subject) or "empty"
