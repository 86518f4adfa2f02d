"""kprov_apply, on the controller: render the role's manifests and hand the objects to the module."""

from __future__ import annotations

import os

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

ARGUMENTS = {
    "phase": {"type": "str", "required": True},
    "manifests": {"type": "list", "elements": "str", "required": True},
    "deadline": {"type": "int", "default": 300},
    "wait_nodes": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Adds the objects, the cluster's name and the fingerprint that the plan computed for this host and phase."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        if self._task._role is None:
            raise AnsibleActionFail("kprov_apply renders the manifests of a role: call it from a role's tasks")
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        directory = os.path.join(self._task._role.get_role_path(), "templates")
        paths = [os.path.join(directory, name) for name in arguments.pop("manifests")]
        objects = [item for path in paths for item in parse(path, self._render(path, variables))]
        fingerprints = self._templar.template(variables.get("kprov_fingerprints")) or {}
        result = self._execute_module(
            module_name="kprov_apply",
            module_args={
                **arguments,
                "objects": objects,
                "cluster": self._templar.template(variables.get("cluster_name")) or "",
                "fingerprint": fingerprints.get(arguments["phase"]),
                "bin_dir": self._templar.template(variables.get("bin_dir")),
            },
            task_vars=task_vars,
        )
        result["module_calls"] = 1
        return result

    def _render(self, path: str, variables: dict) -> str:
        text = self._loader.get_text_file_contents(path)
        templar = self._templar.copy_with_new_env(searchpath=[os.path.dirname(path)], available_variables=variables)
        try:
            return str(
                templar.template(trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True})
            )
        except AnsibleError as error:
            raise AnsibleActionFail(f"template {path}: {error}") from error


def parse(path: str, text: str) -> list[dict]:
    """The objects of a manifest; namespaced ones must say their namespace."""
    try:
        objects = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as error:
        raise AnsibleActionFail(f"template {path} does not render to YAML: {error}") from error
    for item in objects:
        if not isinstance(item, dict) or not {"apiVersion", "kind", "metadata"} <= set(item):
            raise AnsibleActionFail(f"template {path} renders to something that is no Kubernetes object: {item!r:.100}")
    return objects
