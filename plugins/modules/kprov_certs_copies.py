#!/usr/bin/python
"""kprov_certs_copies: copies of admin.conf that people use on the node get the renewed certificate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_certs_copies
short_description: Give copies of an admin.conf that was replaced the new certificate and key
description:
  - A file is changed only if its client certificate is exactly that of an admin.conf or super-admin.conf in one of
    kprov's backups; then only certificate and key are, everything else stays as it is. Any other file is left alone
    and named.
options:
  paths: {description: Files to look at, if they are there., type: list, elements: path, required: true}
author: kprov
"""

import os
import re
import stat
import time

from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubeadm_certs import KUBERNETES, embedded, text
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_module import finish
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
        _write(path, content)
    return True, None


def _ends(content: str) -> str:
    try:
        found = certificates.from_pem(embedded(content, "client-certificate").decode())
    except (OSError, ValueError):
        return "which cannot be read"
    return f"{'expired' if found.not_after < time.time() else 'valid until'} {certificates.rfc3339(found.not_after)}"


def _write(path: str, content: str) -> None:
    """In one step; mode and owner stay, and a symbolic link stays one."""
    target = os.path.realpath(real(path))
    status = os.stat(target)
    kprov_fs.atomic_write(target, content.encode(), stat.S_IMODE(status.st_mode))
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "path", "required": True}}, supports_check_mode=True
    )
    changed, left = [], []
    try:
        with node_lock(check_mode=module.check_mode):
            known = replaced()
            for path in module.params["paths"]:
                if os.path.exists(real(path)):
                    done, why = refresh(path, known, module.check_mode)
                    changed += [path] if done else []
                    left += [why] if why else []
    except (LockTimeout, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'node'}: {error.strerror or error}")
    finish(module, {"changed": bool(changed), "changed_files": changed, "warnings": left})


if __name__ == "__main__":
    main()
