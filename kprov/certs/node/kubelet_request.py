"""What a kubelet asks for when it wants a serving certificate, and whether it may have it. Pure.

The API server vouches for the requestor (spec.username, spec.groups), nobody for the names in the request: every node
can ask for the names of every other one, and whoever serves them reads what the API server sends to that node. So the
names are compared with the inventory, never with the Node object, whose addresses the kubelet itself writes.

Rules: Kubernetes' documentation of the signer kubernetes.io/kubelet-serving (reference/access-authn-authz/
certificate-signing-requests), and what postfinance/kubelet-csr-approver adds (CN equal to the requestor, names of that
node only). It denies what it refuses; here that stays pending, so that a person can still decide otherwise.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from kprov.certs.node.validity import fields

SIGNER = "kubernetes.io/kubelet-serving"
PREFIX, NODES = "system:node:", "system:nodes"
NEEDED = frozenset({"digital signature", "server auth"})
ALLOWED = NEEDED | {"key encipherment"}  # only for RSA keys

SEQUENCE, ATTRIBUTES = 0x30, 0xA0  # [0] of CertificationRequestInfo (RFC 2986, section 4.1)
DNS, ADDRESS = 0x82, 0x87  # dNSName and iPAddress of GeneralName (RFC 5280, section 4.2.1.6)
COMMON_NAME, ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")  # 2.5.4.3, 2.5.4.10
EXTENSIONS = bytes.fromhex("2a864886f70d01090e")  # 1.2.840.113549.1.9.14
NAMES = bytes.fromhex("551d11")  # 2.5.29.17


@dataclass(frozen=True)
class Wanted:
    """What a request asks for. others: kinds of names that no kubelet asks for, and further parts of the subject."""

    common_names: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def refusal(request: dict[str, Any], kubelets: dict[str, Any]) -> str | None:
    """Why a request, a CertificateSigningRequest of the API, is not to be approved; None: it may be.

    kubelets: Node's name to address (of the inventory) and names (further names and addresses that it may ask for).
    """
    spec = request["spec"]
    name = spec["username"].partition(PREFIX)[2]
    if spec["username"] != PREFIX + name or name not in kubelets:
        return f"it was made by {spec['username']}, which is no node of the inventory that may ask"
    if NODES not in spec.get("groups", ()):
        return f"its requestor is not in {NODES}"
    usages = {*spec.get("usages", ())}
    if not NEEDED <= usages <= ALLOWED:
        return f"it is for {', '.join(sorted(usages))}"
    try:
        wanted = parse(base64.b64decode(spec["request"]))
    except ValueError:
        return "it cannot be read"
    return _other_subject(wanted, spec["username"]) or _other_names(wanted, name, kubelets[name])


def _other_subject(wanted: Wanted, requestor: str) -> str | None:
    if wanted.others:
        return f"it asks for {', '.join(wanted.others)}"
    if wanted.common_names != (requestor,) or wanted.organizations != (NODES,):
        subject = f"CN={'+'.join(wanted.common_names)}, O={'+'.join(wanted.organizations)}"
        return f"it asks for {subject}, not for its requestor {requestor}"
    return None


def _other_names(wanted: Wanted, name: str, kubelet: dict[str, Any]) -> str | None:
    own = {plain(one) for one in (name, kubelet["address"], *kubelet.get("names", ()))}
    foreign = [one for one in (*wanted.dns, *wanted.addresses) if plain(one) not in own]
    if foreign:
        return f"it asks for {', '.join(foreign)}, which the inventory does not have for {name}"
    if plain(kubelet["address"]) not in map(plain, (*wanted.dns, *wanted.addresses)):
        return f"it does not ask for {kubelet['address']}, by which the inventory knows {name}"
    return None


def plain(name: str) -> str:
    """An address in its shortest form, a DNS name in lower case: equal texts are equal names."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def parse(pem: bytes) -> Wanted:
    """What is in a PKCS #10 request. Raises ValueError."""
    body = re.search(rb"-----BEGIN CERTIFICATE REQUEST-----(.+?)-----END CERTIFICATE REQUEST-----", pem, re.DOTALL)
    if not body:
        raise ValueError("no certificate request")
    try:
        der = base64.b64decode(b"".join(body.group(1).split()), validate=True)
        info = fields(fields(fields(der)[0][1])[0][1])  # version, subject, public key, attributes
        subject, attributes = info[1], [content for tag, content in info[3:] if tag == ATTRIBUTES and content]
        found = _names([one for content in attributes for one in fields(content)])
        return Wanted(*_subject(subject[1]), *found)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("a damaged certificate request") from error


def _subject(name: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """CNs and Os. Anything else in it makes them wrong: it is shown among the CNs."""
    names: list[str] = []
    organizations: list[str] = []
    for _, relative in fields(name) if name else ():
        for _, pair in fields(relative):
            oid, value = fields(pair)
            text = value[1].decode()
            if oid[1] == ORGANIZATION:
                organizations.append(text)
            else:
                names.append(text if oid[1] == COMMON_NAME else f"(other) {text}")
    return tuple(names), tuple(organizations)


def _names(attributes: list[tuple[int, bytes]]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    dns: list[str] = []
    addresses: list[str] = []
    others: list[str] = []
    for _, attribute in attributes:
        oid, values = fields(attribute)
        if oid[1] != EXTENSIONS:
            continue
        for _, extension in fields(fields(values[1])[0][1]):
            parts = fields(extension)
            if parts[0][1] != NAMES:
                continue  # usages: the signer takes them from the request's spec
            for tag, content in fields(fields(parts[-1][1])[0][1]):
                if tag == DNS:
                    dns.append(content.decode("ascii"))
                elif tag == ADDRESS:
                    addresses.append(str(ipaddress.ip_address(content)))
                else:
                    others.append(f"a name of the kind {tag & 0x1F}")
    return tuple(dns), tuple(addresses), tuple(others)
