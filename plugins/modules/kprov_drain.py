#!/usr/bin/python
"""kprov_drain: a node emptied for a work on it, and given back afterwards. Runs on a control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_drain
short_description: Cordon and drain a node, or wait until it is Ready and uncordon it
description:
  - That kprov has cordoned the node, and for what, is an annotation that is set in the same write. Only such a node is
    uncordoned; one that somebody else has cordoned stays so.
  - kubectl drains; budgets of disruption are kept. Pods that would lose data or not come back are refused before the
    node is cordoned, unless the options that kubectl has for them are set.
options:
  node: {description: Name of the Node., type: str, required: true}
  state: {description: What is wanted., type: str, choices: [drained, uncordoned], required: true}
  operation: {description: "For what: what cordons is what uncordons.", type: str, required: true}
  timeout: {description: "Seconds that pods may take to leave, or the node to become Ready.", type: int, default: 300}
  delete_emptydir_data: {description: "Evict pods with emptyDir volumes, too.", type: bool, default: false}
  force: {description: "Delete pods that no controller makes again, too.", type: bool, default: false}
  bin_dir: {description: Where kubectl is., type: path, required: true}
author: kprov
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubectl import Kubectl, KubectlError
from ansible.module_utils.kprov_module import locked

ANNOTATION = "kprov/cordoned-for"
API_DEADLINE = 180
SHOWN = 5


def drain(kubectl: Kubectl, parameters: dict) -> dict:
    """Cordon, drain; the module's result. Raises KubectlError."""
    name = parameters["node"]
    flags = ["--ignore-daemonsets"]
    flags += ["--delete-emptydir-data"] if parameters["delete_emptydir_data"] else []
    flags += ["--force"] if parameters["force"] else []
    try:
        kubectl.run("drain", name, *flags, "--dry-run=client")
    except KubectlError as error:
        raise KubectlError(f"{name} cannot be drained, and was not cordoned: {_said(error)}") from error
    changes = [f"cordon {name}"] if _cordon(kubectl, name, parameters["operation"]) else []
    timeout = parameters["timeout"]
    try:
        output = kubectl.run("drain", name, *flags, f"--timeout={timeout}s", timeout=timeout + 60)
    except KubectlError as error:
        raise KubectlError(
            f"{name} is cordoned, but was not empty after {timeout} s: {_said(error)}. Find out what holds them"
            f" (`kubectl get poddisruptionbudgets -A`), then run the command again"
        ) from error
    changes += [f"evict {line.split()[0]}" for line in output.splitlines() if line.startswith("pod/")]
    return {"changed": bool(changes), "changes": changes, "msg": f"{name} is cordoned and drained"}


def _cordon(kubectl: Kubectl, name: str, operation: str) -> bool:
    """Whether it had to be done."""
    node = kubectl.json("get", "node", name)
    if node["spec"].get("unschedulable"):
        return False
    patch = {"metadata": {"annotations": {ANNOTATION: operation}}, "spec": {"unschedulable": True}}
    kubectl.run("patch", "node", name, "--type=merge", "--patch", json.dumps(patch))
    return True


def ready(kubectl: Kubectl, parameters: dict) -> dict:
    """Wait until the Node is Ready; the module's result. Raises KubectlError."""
    name, timeout = parameters["node"], parameters["timeout"]
    kubectl.wait_ready(API_DEADLINE)
    kubectl.run("wait", "--for=condition=Ready", f"node/{name}", f"--timeout={timeout}s", timeout=timeout + 30)
    return {"changed": False, "changes": [], "msg": f"{name} is Ready"}


def uncordon(kubectl: Kubectl, parameters: dict) -> dict:
    """Let pods onto the node again, if this operation has kept them off; the module's result. Raises KubectlError."""
    name = parameters["node"]
    result = ready(kubectl, parameters)
    node = kubectl.json("get", "node", name)
    if node["metadata"].get("annotations", {}).get(ANNOTATION) != parameters["operation"]:
        left = node["spec"].get("unschedulable")
        return {**result, "msg": f"{name} stays cordoned: it was so before" if left else f"{name} is Ready"}
    patch = {"metadata": {"annotations": {ANNOTATION: None}}, "spec": {"unschedulable": None}}
    kubectl.run("patch", "node", name, "--type=merge", "--patch", json.dumps(patch))
    return {"changed": True, "changes": [f"uncordon {name}"], "msg": f"{name} is Ready and takes pods again"}


def _said(error: Exception) -> str:
    """The lines of kubectl that say why, each once."""
    lines = [line.strip() for line in str(error).splitlines()]
    why = [line for line in lines if "cannot" in line.lower() or "error" in line.lower() or "timed out" in line.lower()]
    return "; ".join(list(dict.fromkeys(why or lines))[-SHOWN:])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "uncordoned"], "required": True},
            "operation": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
            "delete_emptydir_data": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "bin_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, msg=f"{module.params['node']} would be {module.params['state']}")
    kubectl = Kubectl(module.params["bin_dir"])
    with locked(module, KubectlError, deadline=module.params["timeout"] + 60):
        if module.params["state"] == "drained":
            kubectl.wait_ready(API_DEADLINE)
            result = drain(kubectl, module.params)
        else:
            result = uncordon(kubectl, module.params)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
