"""Private keys and tokens stay on the node, whatever file they are in."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from kprov.certs.node import pem
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node

TOKEN = "abcdef.0123456789abcdef"
PASSWORD = "correct-horse-battery"


def secrets(root: Path) -> set[str]:
    """Every line of every private key below a directory, as it is and in base64 of kubeconfigs."""
    found = set()
    for path in root.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_text()
        for word in text.split():
            try:
                text += base64.b64decode(word, validate=True).decode()
            except ValueError:
                continue
            if "PRIVATE KEY" in text:
                found.add(word if "PRIVATE KEY" in base64.b64decode(word).decode() else "PRIVATE KEY")
        for block in pem.KEY.findall(text):
            found.update(block.splitlines()[1:-1])
    return found


def test_no_key_is_in_the_answer(plane: Node, servers: dict[str, Any]) -> None:
    made = pki.kubeadm()
    stray = pki.new_key()
    stray_pem = pki.Pair(made.ca.x509, stray).key_pem
    plane.put(f"{PKI}/damaged.pem", made.ca.pem[:200] + stray_pem)  # a key after half a certificate
    plane.put(f"{PKI}/both.crt", stray_pem + made.ca.pem)
    plane.put(f"{PKI}/apiserver.key", stray_pem)  # does not belong: the reason is said, the key is not
    login = {"token": TOKEN, "username": "a", "password": PASSWORD}
    documents = [pki.kubeconfig(made.users["admin.conf"], made.ca), pki.kubeconfig(login, made.ca)]
    plane.kubeconfig("/root/.kube/config", pki.merged(*documents))
    plane.put("/home/ann/.kube/config", json.dumps(documents[0]))
    swapped = {"client-certificate-data": pki.encoded(stray_pem), "client-key-data": pki.encoded(made.ca.pem)}
    plane.kubeconfig("/home/bob/.kube/config", pki.kubeconfig(swapped, made.ca))
    wanted = secrets(plane.root) | {TOKEN, PASSWORD}
    assert len(wanted) > 40
    assert all(line in wanted for line in stray_pem.splitlines()[1:-1])
    text = json.dumps(plane.answer())
    assert [secret for secret in wanted if secret in text] == []
    assert "PRIVATE KEY" not in text
    assert "key values mismatch" not in text  # OpenSSL's words are not ours
    assert "it is of another certificate" in text
