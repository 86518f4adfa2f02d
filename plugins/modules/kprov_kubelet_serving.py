#!/usr/bin/python
"""kprov_kubelet_serving, on a control plane: approve the serving certificates that kubelets ask for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_kubelet_serving
short_description: Approve requests of kubelets for serving certificates whose names are those of the inventory
description:
  - Called through the action plugin of the same name, which adds the program that approves. It is the one that a
    control plane runs every day before it checks its certificates.
  - A request with any other name, address, requestor or usage stays pending and is named in a warning.
  - Fails when a kubelet of C(wait_for) does not serve a certificate of the cluster's CA within C(deadline). One that
    serves what it signed itself has not been told to ask: it is not waited for, and named in a warning. Where the API
    server does not answer, it warns. Without a cluster on this machine it does nothing.
options:
  kubelets: {description: "Node to address, port, and names that it may ask for besides.", type: dict, required: true}
  wait_for: {description: Nodes that must serve one in the end., type: list, elements: str, default: []}
  port: {description: The API server's on this machine., type: int, required: true}
  deadline: {description: Seconds., type: int, default: 90}
  program: {description: Set by the action plugin., type: str, required: true}
author: kprov
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_module import finish
from ansible.module_utils.kprov_paths import real

ADMIN_CONF = "/etc/kubernetes/admin.conf"
START = "import sys; sys.path.insert(0, sys.argv[1]); from kprov.certs.node.kubelet_approver import main; main()"
SLACK = 30.0  # seconds that the program may take beyond its deadline: one last look at everything


class ApproverError(Exception):
    """The program failed; the message is for the user."""


def approve(directory: str, program: str, question: dict) -> dict:
    """What the program answers to a question. directory: an empty one, of root alone. Raises ApproverError."""
    for name, text in json.loads(zlib.decompress(base64.b64decode(program))).items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    argv = [sys.executable, "-I", "-S", "-B", "-c", START, directory]
    try:
        done = subprocess.run(
            argv,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=question["deadline"] + SLACK,
            check=True,
        )
        return json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise ApproverError(f"the approver ended with exit code {error.returncode}: {error.stderr[-500:]}") from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise ApproverError(f"the approver: {error}") from error


def warnings(answer: dict) -> list[str]:
    """What stays pending, and an API server that did not answer."""
    found = [
        f"request {one['request']} for a kubelet's serving certificate stays pending: {one['why']} "
        f"(`kubectl certificate approve|deny {one['request']}` decides otherwise)"
        for one in answer["left"]
    ]
    if answer["own"]:
        found.append(
            f"the kubelets of {', '.join(answer['own'])} serve a certificate that they signed themselves: they have "
            "not been told to ask yet; `kprov up` for these hosts does it (phase kubelet)"
        )
    if answer["error"]:
        found.append(
            f"kubelets' serving certificates could not be looked after: {answer['error']}; the same command again"
        )
    return found


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "kubelets": {"type": "dict", "required": True},
            "wait_for": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "required": True},
            "deadline": {"type": "int", "default": 90},
            "program": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if not os.path.exists(real(ADMIN_CONF)):
        module.exit_json(changed=False, approved=[])
    question = {name: module.params[name] for name in ("kubelets", "wait_for", "port", "deadline")}
    question["dry_run"] = module.check_mode
    try:
        with tempfile.TemporaryDirectory(prefix="kprov-") as directory:  # 0700
            answer = approve(directory, module.params["program"], question)
    except (ApproverError, OSError) as error:
        module.fail_json(msg=str(error))
    result = {
        "changed": bool(answer["approved"]),
        "changes": [f"approved {one['request']} of {one['node']}" for one in answer["approved"]],
        "warnings": warnings(answer),
    }
    if answer["missing"] and not module.check_mode:
        why = "; ".join(f"{node}: {reason}" for node, reason in sorted(answer["missing"].items()))
        said = f"no serving certificate of the cluster's CA after {question['deadline']} s: {why}"
        module.fail_json(msg="\n".join([said, *result["warnings"]]))
    finish(module, result)


if __name__ == "__main__":
    main()
