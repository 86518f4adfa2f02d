"""The inventory that `kprov init DIR` writes: hosts to fill in, and every variable with its default as a comment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kprov.errors import InputError
from kprov.spec.declarations import Declarations, declarations
from kprov.spec.defaults import described
from kprov.spec.yaml_text import assignment, comment

# Set per host in inventory.ini, so a value for all hosts would be wrong.
PER_HOST = ("ip",)

INVENTORY = """\
# The machines of the cluster, in Kubespray's groups. Docs: docs/reference/inventory.md
# A line is NAME ansible_host=ADDRESS; NAME becomes the name of the node.
#   ip=ADDRESS             if the nodes reach each other at another address than you reach them
#   ansible_port=2222      if SSH does not listen on 22

# 1, 3 or 5 control planes; etcd runs on them.
[kube_control_plane]
cp1 ansible_host=ADDRESS_OF_CP1

# Nodes that run pods. A control plane may be listed here too.
[kube_node]
node1 ansible_host=ADDRESS_OF_NODE1
node2 ansible_host=ADDRESS_OF_NODE2

[k8s_cluster:children]
kube_control_plane
kube_node

# How to log in. The user needs sudo; with a password for sudo, see ansible-vault and ansible_become_password.
[all:vars]
ansible_user=root
# ansible_ssh_private_key_file=~/.ssh/id_ed25519
"""

VARIABLES_HEADER = """\
---
# Settings of the whole cluster. Each line that is commented out shows the default: remove the # to change it.
# Settings of a group or of one host go to group_vars/GROUP.yml and host_vars/HOST.yml. Your own variables: x_anything.
"""


def sample(known: Declarations) -> Mapping[str, str]:
    """Files of a new inventory: path below its directory -> text."""
    return {"inventory.ini": INVENTORY, "group_vars/all.yml": _variables(known)}


def write_sample(directory: Path) -> tuple[Path, ...]:
    """Write a new inventory; returns its files. Raises InputError if one of them exists, and then writes nothing."""
    files = {directory / name: text for name, text in sample(declarations()).items()}
    for path in files:
        if path.exists():
            message = f"{path} exists already"
            raise InputError(message, hint="nothing was written; name another directory, or move the file away")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tuple(files)


def _variables(known: Declarations) -> str:
    sections = []
    for role in known.roles():
        title = "The cluster" if role == "cluster" else f"Role {role}"
        entries = [
            f"{comment(described(d))}\n{_commented(assignment(d.name, d.default))}\n"
            for d in known.of_role(role)
            if d.name not in PER_HOST
        ]
        sections.append(f"\n# --- {title} ---\n\n" + "\n".join(entries))
    return VARIABLES_HEADER + "".join(sections)


def _commented(text: str) -> str:
    # No space after #, so that removing one character is all there is to do; descriptions have one.
    return "\n".join(f"#{line}" for line in text.splitlines())
