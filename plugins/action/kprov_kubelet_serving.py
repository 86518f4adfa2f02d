"""kprov_kubelet_serving, on the controller: hands the module the approver, which nodes run every day as well."""

from __future__ import annotations

import base64
import json
import os
import zlib

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PARTS = ("certs/node", "remote/node")
ARGUMENTS = {
    "kubelets": {"type": "dict", "required": True},
    "wait_for": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "required": True},
    "deadline": {"type": "int"},
}


class ActionModule(ActionBase):
    """Adds kprov's own files that approve; see kprov/certs/node/kubelet_approver.py."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        result = self._execute_module(
            module_name="kprov_kubelet_serving",
            module_args={**{k: v for k, v in arguments.items() if v is not None}, "program": packed(package())},
            task_vars=task_vars,
        )
        result["module_calls"] = 1
        return result


def packed(directory: str) -> str:
    """kprov/PART/FILE to its text, compressed: what a node's Python imports."""
    files = {}
    for part in PARTS:
        place = os.path.join(directory, part)
        for name in sorted(name for name in os.listdir(place) if name.endswith(".py")):
            with open(os.path.join(place, name), encoding="utf-8") as file:
                files[f"kprov/{part}/{name}"] = file.read()
    return base64.b64encode(zlib.compress(json.dumps(files).encode())).decode()


def package() -> str:
    """kprov's own files: in a checkout beside plugins/, in an installed kprov (kprov/_content/plugins) around it."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for place in (os.path.join(root, "kprov"), os.path.dirname(root)):
        if os.path.isdir(os.path.join(place, PARTS[0])):
            return place
    raise AnsibleActionFail(f"kprov's own files are not beside {root}")
