"""kprov_node, on the controller: what the variables of all hosts say about their Nodes."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

GROUPS = ("kube_control_plane", "kube_node")
TEXTS = {"labels": "node_labels", "annotations": "node_annotations"}


class ActionModule(ActionBase):
    """Adds the Nodes, the cluster's name and the fingerprint that the plan computed for this host and phase."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec({"phase": {"type": "str", "required": True}})
        variables = task_vars or {}
        hosts = dict.fromkeys(host for group in GROUPS for host in variables["groups"].get(group, ()))
        # A role's defaults are only those of the hosts of its play: here a variable that nobody has set is not there.
        found = {host.lower(): settings(host, variables["hostvars"][host]) for host in hosts}
        fingerprints = self._templar.template(variables.get("kprov_fingerprints")) or {}
        result = self._execute_module(
            module_name="kprov_node",
            module_args={
                **arguments,
                "nodes": {name: value for name, value in found.items() if value},
                "cluster": self._templar.template(variables.get("cluster_name")) or "",
                "fingerprint": fingerprints.get(arguments["phase"]),
                "bin_dir": self._templar.template(variables.get("bin_dir")),
            },
            task_vars=task_vars,
        )
        result["module_calls"] = 1
        return result


def settings(host: str, variables) -> dict:
    """What a host's variables say about its Node, in the module's form; {} if that is nothing."""
    found: dict = {kind: texts(host, name, value(variables, name, dict)) for kind, name in TEXTS.items()}
    found["taints"] = taints(host, value(variables, "node_taints", list))
    found["extended_resources"] = amounts(host, value(variables, "node_extended_resources", dict))
    found = {kind: entries for kind, entries in found.items() if entries}
    return {**found, "force": bool(variables.get("node_force_conflicts", False))} if found else {}


def value(variables, name: str, kind: type):
    """A variable of a host, empty if nobody has set it."""
    return variables.get(name) or kind()


def texts(host: str, name: str, values) -> dict:
    """Key to text. Whole numbers are texts, too; what else YAML knows would turn into something unexpected."""
    if not isinstance(values, dict):
        raise AnsibleActionFail(f"{name} of {host} must be a dictionary")
    return {str(key): text(host, f"{name}: {key}", item) for key, item in values.items()}


def taints(host: str, items) -> dict:
    """KEY:EFFECT to value."""
    if not isinstance(items, list) or not all(isinstance(t, dict) and t.get("key") and t.get("effect") for t in items):
        raise AnsibleActionFail(f"node_taints of {host} must be a list of {{key: KEY, value: VALUE, effect: EFFECT}}")
    return {f"{t['key']}:{t['effect']}": text(host, f"node_taints: {t['key']}", t.get("value") or "") for t in items}


def amounts(host: str, values) -> dict:
    """Name to a whole number, as a text."""
    if not isinstance(values, dict):
        raise AnsibleActionFail(f"node_extended_resources of {host} must be a dictionary")
    for name, item in values.items():
        if isinstance(item, bool) or not str(item).isdigit():
            raise AnsibleActionFail(f"node_extended_resources of {host}: {name} must be a whole number, not {item!r}")
    return {str(name): str(int(item)) for name, item in values.items()}


def text(host: str, what: str, item) -> str:
    """A text or a whole number, as a text."""
    if isinstance(item, bool) or not isinstance(item, (str, int)):
        raise AnsibleActionFail(f"{what} of {host} must be a text: write it in quotes")
    return str(item)
