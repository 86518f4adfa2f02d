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

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_copies import refresh, replaced
from ansible.module_utils.kprov_module import finish, locked
from ansible.module_utils.kprov_paths import real


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "path", "required": True}}, supports_check_mode=True
    )
    changed, left = [], []
    with locked(module, ValueError):
        known = replaced()
        for path in module.params["paths"]:
            if os.path.exists(real(path)):
                done, why = refresh(path, known, module.check_mode)
                changed += [path] if done else []
                left += [why] if why else []
    finish(module, {"changed": bool(changed), "changed_files": changed, "warnings": left})


if __name__ == "__main__":
    main()
