"""Places in YAML and JSON: inventories, and vars files of group_vars/ and host_vars/.

PyYAML's nodes carry line numbers and are not constructed, so `!vault`, `!unsafe` or any other tag is only a node with
a tag. libyaml reads them about ten times faster than ruamel.yaml's round trip, which matters with 200 hosts.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from kprov.spec.declarations import SafeLoader
from kprov.spec.scan import Fault, Owner, Place, Scan
from kprov.spec.scan_ini import PORT, expand


def scan_yaml_inventory(text: str, file: str, scan: Scan) -> None:
    """Collect hosts, groups, variables and faults of one YAML inventory."""
    root = _compose(text, file, scan)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        scan.faults.append(Fault(_place(root, file), "an inventory must be a mapping of groups"))
        return
    if any(_name(key) == "plugin" for key, _ in _pairs(root)):
        scan.opaque.append(file)
        return
    for key, value in _pairs(root):
        _group(key, value, file, scan)


def scan_vars_file(text: str, file: str, owner: Owner, scan: Scan) -> None:
    """Collect the variables of one vars file."""
    if text.startswith("$ANSIBLE_VAULT"):
        scan.opaque.append(file)
        return
    root = _compose(text, file, scan)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        scan.faults.append(Fault(_place(root, file), "a vars file must be a mapping of names to values"))
        return
    _variables(root, file, owner, scan)


def is_mapping(text: str) -> bool:
    """True if the text is a YAML mapping: how to tell an inventory without an extension from INI."""
    try:
        return isinstance(yaml.compose(text, Loader=SafeLoader), yaml.MappingNode)
    except yaml.YAMLError:
        return False


def _group(key: yaml.Node, value: yaml.Node, file: str, scan: Scan) -> None:
    name = _name(key)
    scan.group(name, _place(key, file))
    for part, content in _pairs(value):
        match _name(part):
            case "hosts":
                for host, variables in _pairs(content):
                    _host(host, variables, file, scan)
            case "vars":
                _variables(content, file, Owner("inventory", "group", name), scan)
            case "children":
                for child, below in _pairs(content):
                    _group(child, below, file, scan)
            case unknown:
                scan.strange.append(Fault(_place(part, file), f"{unknown!r} in group {name} means nothing to Ansible"))


def _host(key: yaml.Node, variables: yaml.Node, file: str, scan: Scan) -> None:
    pattern, place = _name(key), _place(key, file)
    port = PORT.match(pattern)
    for host in expand(port["host"] if port else pattern):
        scan.host(host, place)
        owner = Owner("inventory", "host", host)
        if port:
            scan.variable(owner, "ansible_port", place)
        _variables(variables, file, owner, scan)


def _variables(node: yaml.Node, file: str, owner: Owner, scan: Scan) -> None:
    for key, value in _pairs(node):
        text = value.value if isinstance(value, yaml.ScalarNode) else ""
        scan.variable(owner, _name(key), _place(key, file), text)


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a mapping, merge keys (`<<`) first; nothing for any other node."""
    if not isinstance(node, yaml.MappingNode):
        return
    merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
    for merged in merges:
        # In a list of merged mappings the first one wins, so it comes last here.
        for source in reversed(merged.value) if isinstance(merged, yaml.SequenceNode) else [merged]:
            yield from _pairs(source)
    for key, value in node.value:
        if key.tag != "tag:yaml.org,2002:merge":
            yield key, value


def _compose(text: str, file: str, scan: Scan) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # libyaml says where parsing stopped: that can be the line after the one to mend.
        scan.faults.append(Fault(Place(file, line), f"is not valid YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        scan.faults.append(Fault(Place(file, 1), f"is not valid YAML: {error}"))
    return None


def _name(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _place(node: yaml.Node, file: str) -> Place:
    return Place(file, node.start_mark.line + 1)
