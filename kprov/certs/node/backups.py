"""The backups of this control plane's certificates: what each holds, from the file that completes it."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import read

DIRECTORY = "/var/lib/kprov/backups"
REASON = "certs_renew"  # others are of an etcd that is a service


def look() -> list[dict[str, Any]]:
    """Oldest first: name, certificates (kubeadm's name to sha256, serial, not_before, not_after), etcd (None, or bytes,
    sha256, revision of the snapshot). One that was cut short is left out.
    """
    found = []
    for name in sorted(read.names(DIRECTORY)):
        about = read.json_object(f"{DIRECTORY}/{name}/backup.json")
        if about and about.get("reason") == REASON and isinstance(about.get("certificates"), dict):
            found.append({"name": name, "certificates": about["certificates"], "etcd": about.get("etcd")})
    return found
