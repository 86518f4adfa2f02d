"""Copies of admin.conf that people use on a control plane: which have a certificate that was replaced."""

from __future__ import annotations

import os
import re
import time

from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_kubeadm_certs import KUBERNETES, embedded, text
from ansible.module_utils.kprov_paths import real

SOURCES = (f"{KUBERNETES}/admin.conf", f"{KUBERNETES}/super-admin.conf")
DATA = re.compile(r"^[\s-]*(client-certificate-data|client-key-data):\s*[\"']?([A-Za-z0-9+/=]+)", re.MULTILINE)


def replaced() -> dict[str, str]:
    """Base64 of certificates and keys that were replaced, to what replaced them."""
    found: dict[str, str] = {}
    for path in SOURCES:
        if not os.path.exists(real(path)):
            continue
        current = dict(DATA.findall(text(path)))
        for directory in backups.whole():
            for name, value in DATA.findall((backups.archived(directory, path) or b"").decode()):
                if name in current and value != current[name]:
                    found[value] = current[name]
    return found


def refresh(path: str, known: dict[str, str], check_mode: bool) -> tuple[bool, str | None]:
    """(whether it is or would be changed, why it is left alone: None if it needs nothing)."""
    content = text(path)
    entries = DATA.findall(content)
    old = [value for name, value in entries if name == "client-certificate-data" and value in known]
    if not old:
        current = [
            value for source in SOURCES if os.path.exists(real(source)) for _, value in DATA.findall(text(source))
        ]
        if any(value in current for _, value in entries):
            return False, None
        return False, f"{path} has a certificate of its own, {_ends(content)}: left as it is"
    for _, value in entries:
        content = content.replace(value, known.get(value, value))
    if not check_mode:
        kprov_fs.replace_content(real(path), content.encode())
    return True, None


def _ends(content: str) -> str:
    try:
        found = certificates.from_pem(embedded(content, "client-certificate").decode())
    except (OSError, ValueError):
        return "which cannot be read"
    return f"{'expired' if found.not_after < time.time() else 'valid until'} {certificates.rfc3339(found.not_after)}"
