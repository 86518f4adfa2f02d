"""Files with certificates: those that flags name, and all others in the same directories."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any

from kprov.certs.node import pem
from kprov.remote.node import read

# kubeadm's own, Kubespray's, and Kubespray's for its etcd.
DIRECTORIES = ("/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/etc/kubernetes/ssl", "/etc/ssl/etcd/ssl")
KUBELET = "/var/lib/kubelet/pki"
# The rotated ones are links to files with dates in their names: the old ones beside them are nobody's concern.
KUBELET_FILES = ("kubelet-client-current.pem", "kubelet-server-current.pem", "kubelet.crt")
SUFFIXES = (".crt", ".pem", ".cert")


def look(named: list[str]) -> list[dict[str, Any]]:
    """path, pem (certificates only), key, mode and owner (uid), changed (seconds), error: for each file.

    named: files that flags speak of. key: None, or path, mode, owner and problem (None: it belongs to the certificate).
    """
    return [found for path in _paths(named) for found in _file(path, path in named)]


def service_account(public: str | None, private: str | None) -> dict[str, Any] | None:
    """The key pair of service account tokens, which never expires: public and private as entries, and a digest.

    sha256: of the public key's file, the same on all control planes. None where no API server has one.
    """
    if not public or not read.exists(public):
        return None
    digest = hashlib.sha256(read.text(public).strip().encode()).hexdigest()
    kept = entry(private) if private and read.exists(private) else None
    return {"public": entry(public), "private": kept, "sha256": digest}


def entry(path: str) -> dict[str, Any]:
    """Mode as "0600", owner, time of the last change. Raises OSError."""
    status = os.stat(read.real(path))  # noqa: PTH116
    return {
        "path": path,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": status.st_uid,
        "changed": status.st_mtime,
    }


def _paths(named: list[str]) -> list[str]:
    """No file twice, whatever links lead to it."""
    directories = [*DIRECTORIES, *sorted({os.path.dirname(path) for path in named})]  # noqa: PTH120
    paths = [*named, *(f"{KUBELET}/{name}" for name in KUBELET_FILES)]
    paths += [f"{place}/{name}" for place in directories for name in read.names(place) if place != KUBELET]
    found: dict[str, str] = {}
    for path in paths:
        if path.endswith(SUFFIXES) and not path.endswith("-key.pem"):
            found.setdefault(_identity(path), path)
    return [path for path in found.values() if path in named or read.exists(path)]


def _identity(path: str) -> str:
    """Without links in its directories (/etc/kubernetes/pki may be one); the kubelet's current files stay links."""
    directory, name = os.path.split(read.real(path))
    return f"{os.path.realpath(directory)}/{name}"


def _file(path: str, named: bool) -> list[dict[str, Any]]:
    try:
        text = read.text(path)
        certificates = pem.certificates(text)
        if not certificates and not named and pem.is_something_else(text):
            return []
        if not certificates:
            return [{**entry(path), "pem": "", "key": None, "error": "there is no certificate in it"}]
        return [{**entry(path), "pem": certificates, "key": _key(path, text), "error": None}]
    except OSError as error:
        return [{"path": path, "pem": "", "key": None, "error": error.strerror or str(error)}]


def _key(path: str, text: str) -> dict[str, Any] | None:
    """The private key that belongs to a file by its name, or is in it."""
    stem = path.rpartition(".")[0]
    for place in (path, f"{stem}.key", f"{stem}-key.pem"):
        key = text if place == path else read.text_or(place)
        if pem.has_key(key):
            found = "\n".join(pem.KEY.findall(key))
            return {**entry(place), "problem": pem.key_problem(pem.certificates(text), found)}
    return None
