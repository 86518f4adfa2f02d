"""Render a role's files as kprov_files does, without a node.

The functions are those of the action plugin; variables and arguments of the task are the role's own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
lookup_loader.add_directory(str(ROOT / "plugins/lookup"))

# What the inventory and the lookup kprov_release say in every case; a case's own variables win.
CONTEXT: dict[str, Any] = {
    "inventory_hostname": "cp1",
    "ansible_host": "192.0.2.11",
    "groups": {"kube_control_plane": ["cp1"], "kube_node": ["cp1", "w1"]},
    "node": {
        "capacity": {
            "cpus": 4,
            "memory": 8 * 2**30,
            "hugepages": 0,
            "ephemeral_storage": 40 * 10**9,
            "image_storage": 10 * 10**12,
            "pids": 64000,
        }
    },
    "hostvars": {"cp1": {"ip": "192.0.2.11"}, "w1": {"ip": "192.0.2.21"}},
}
RELEASE = {
    "kubernetes": "1.36.3",
    "containerd": "2.3.4",
    "runc": "1.4.3",
    "cni-plugins": "1.9.1",
    "crictl": "1.36.0",
    "pause": "registry.k8s.io/pause:3.10.2",
    "kube-router": "docker.io/cloudnativelabs/kube-router:v2.10.0",
}


def render(role: str, case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Path on the node to {"text", "mode", "validate"}."""
    action = _action()
    loader = DataLoader()
    values: dict[str, Any] = dict(CONTEXT)
    for name in dict.fromkeys(("cluster", role)):
        values.update(_defaults(loader, name))
    values.update(case)
    for name in dict.fromkeys(("cluster", role)):
        values.update(_load(loader, ROLES / name / "vars/main.yml"))
    values["release"] = RELEASE
    values["role_path"] = str(ROLES / role)
    templar = Templar(loader=loader, variables=values)
    arguments = templar.template(_task(loader, role))
    tree = action.Tree(str(ROLES / role / "templates"), loader, templar, values)
    files = action.collect(tree, arguments.get("modes", {}), arguments.get("validate", {}), arguments.get("each", []))
    return {str(path): entry for path, entry in files.items()}


def roles() -> list[str]:
    """Roles that write files on nodes."""
    return sorted(path.name for path in ROLES.iterdir() if _task(DataLoader(), path.name) is not None)


def _action() -> Any:
    spec = importlib.util.spec_from_file_location("kprov_files_action", ROOT / "plugins/action/kprov_files.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _load(loader: DataLoader, path: Path) -> Any:
    return loader.load_from_file(str(path), trusted_as_template=True) or {} if path.exists() else {}


def _defaults(loader: DataLoader, role: str) -> dict[str, Any]:
    options = _load(loader, ROLES / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return {name: option["default"] for name, option in options.items() if "default" in option}


def _task(loader: DataLoader, role: str) -> dict[str, Any] | None:
    """Arguments of the role's kprov_files task."""
    for path in sorted((ROLES / role / "tasks").glob("*.yml")):
        for task in _load(loader, path) or []:
            if "kprov_files" in task:
                arguments: dict[str, Any] = task["kprov_files"]
                return arguments
    return None
