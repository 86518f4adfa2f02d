"""Backups of a control plane's certificates and of etcd, on the node: /var/lib/kprov/backups/TIME/."""

from __future__ import annotations

import os
import shutil
import tarfile
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_certs import KUBERNETES
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import make_state_directory

BACKUPS = STATE + "/backups"
ARCHIVE, SNAPSHOT, ABOUT = "kubernetes.tar.gz", "etcd.db", "backup.json"
REASON = "certs_renew"
ETCD = "certs_renew_etcd"  # an etcd that is a service: its directory of certificates


def make(certificates: dict[str, Certificate], etcd: Etcd | None, now: float) -> dict:
    """Back up; {"directory", "files": name to bytes}. Raises OSError, StepError; what is not whole has no ABOUT."""
    directory = f"{BACKUPS}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    make_state_directory(directory)
    _archive(f"{directory}/{ARCHIVE}", KUBERNETES)
    about: dict = {"reason": REASON, "certificates": {name: each.summary() for name, each in certificates.items()}}
    if etcd:
        about["etcd"] = etcd.snapshot(real(f"{directory}/{SNAPSHOT}"))
    kprov_fs.write_json(real(f"{directory}/{ABOUT}"), about)
    return {"directory": directory, "files": sizes(directory)}


def make_of(source: str, now: float) -> str:
    """Back up another directory of certificates; where it is. Raises OSError."""
    directory = f"{BACKUPS}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-etcd"
    make_state_directory(directory)
    _archive(f"{directory}/certificates.tar.gz", source)
    kprov_fs.write_json(real(f"{directory}/{ABOUT}"), {"reason": ETCD, "directory": source})
    return directory


def sizes(directory: str) -> dict[str, int]:
    """Name to bytes of the files of a backup."""
    return {name: os.path.getsize(real(f"{directory}/{name}")) for name in sorted(os.listdir(real(directory)))}


def whole(reason: str = REASON) -> list[str]:
    """Directories of the backups that were made for this reason and to the end, oldest first."""
    try:
        names = sorted(os.listdir(real(BACKUPS)))
    except FileNotFoundError:
        return []
    found = [f"{BACKUPS}/{name}" for name in names]
    return [each for each in found if (kprov_fs.read_json(real(f"{each}/{ABOUT}")) or {}).get("reason") == reason]


def forget_old(keep: int, reason: str = REASON) -> list[str]:
    """Remove all but the newest; what was removed."""
    old = whole(reason)[:-keep] if keep else []
    for directory in old:
        shutil.rmtree(real(directory))
    return old


def archived(directory: str, path: str) -> bytes | None:
    """Content of a file of /etc/kubernetes in a backup; None if it was not there."""
    with tarfile.open(real(f"{directory}/{ARCHIVE}"), "r:gz") as archive:
        try:
            member = archive.extractfile(path.lstrip("/"))
        except KeyError:
            return None
        return member.read() if member else None


def _archive(path: str, source: str) -> None:
    descriptor = os.open(real(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            archive.add(real(source), arcname=source.lstrip("/"))
        file.flush()
        os.fsync(file.fileno())
