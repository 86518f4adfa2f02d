"""Which file and line defines a host, a group or a variable; where several do, the one that wins for that host.

Precedence, low to high, is Ansible's ("Understanding variable precedence"; ansible-core 2.19 vars/manager.py): `all`
in the inventory, other groups in the inventory, group_vars/all, other group_vars, the host in the inventory, host_vars.
Groups among themselves: by depth below `all`, then ansible_group_priority, then name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kprov.spec.resolve import Resolved
from kprov.spec.scan import Kind, Layer, Owner, Place, Scan
from kprov.spec.scan_ini import scan_ini
from kprov.spec.scan_yaml import is_mapping, scan_vars_file, scan_yaml_inventory

YAML_EXTENSIONS = (".yml", ".yaml", ".json")
# Where Ansible looks for the variables of X, in its order; it reads the first that exists and no other.
VARS_EXTENSIONS = ("", *YAML_EXTENSIONS)
# ansible-core's INVENTORY_IGNORE_EXTS (REJECT_EXTS and three more).
IGNORED_EXTENSIONS = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
VARS_DIRECTORIES: Mapping[str, Kind] = {"group_vars": "group", "host_vars": "host"}


def scan_inventory(inventory: Path) -> Scan:
    """Collect the places of an inventory file or directory and of the vars files beside it.

    Unreadable files are left out.
    """
    scan = Scan()
    for source in _sources(inventory):
        _scan_source(source, scan)
    base = inventory if inventory.is_dir() else inventory.parent
    for name, kind in VARS_DIRECTORIES.items():
        _scan_vars_directory(base / name, kind, scan)
    return scan


@dataclass(frozen=True)
class Locations:
    """Looks places up in a scan, with the groups and hosts that Ansible found."""

    scan: Scan = field(repr=False)
    resolved: Resolved = field(repr=False)

    def host(self, name: str) -> Place | None:
        """Where the host is first named."""
        return self.scan.hosts.get(name)

    def group(self, name: str) -> Place | None:
        """Where the group is first named."""
        return self.scan.groups.get(name)

    def variable(self, host: str, name: str) -> Place | None:
        """Where the value that the host gets is written; None if that cannot be told."""
        for owner in self._owners(host):
            place = self.scan.variables.get(owner, {}).get(name)
            if place:
                return place
        return None

    def _owners(self, host: str) -> Iterator[Owner]:
        """Everyone whose variables the host gets, the strongest first."""
        groups = self._groups_of.get(host, ())
        yield Owner("files", "host", host)
        yield Owner("inventory", "host", host)
        layers: tuple[Layer, Layer] = ("files", "inventory")
        for layer in layers:
            yield from (Owner(layer, "group", group) for group in groups)
            yield Owner(layer, "group", "all")

    @cached_property
    def _groups_of(self) -> dict[str, list[str]]:
        """Host -> its groups without `all`, the strongest first."""
        order = sorted(
            (group for group in self.resolved.groups if group != "all"),
            key=lambda g: (self._depth(g), self.scan.priorities.get(g, 1), g),
            reverse=True,
        )
        found: dict[str, list[str]] = {}
        for group in order:
            for host in self.resolved.groups[group]:
                found.setdefault(host, []).append(group)
        return found

    @cached_property
    def _depths(self) -> dict[str, int]:
        return {"all": 0}

    def _depth(self, group: str) -> int:
        """Length of the longest way down from `all`. Ansible refuses groups that contain themselves, so it ends."""
        if group not in self._depths:
            above = self.resolved.parents.get(group, frozenset())
            self._depths[group] = 1 + max((self._depth(parent) for parent in above), default=0)
        return self._depths[group]


def _sources(inventory: Path) -> Iterator[Path]:
    """Files that Ansible reads as inventories, in its order."""
    if not inventory.is_dir():
        yield inventory
        return
    for entry in sorted(inventory.iterdir()):
        ignored = entry.name.startswith(".") or entry.name.endswith(IGNORED_EXTENSIONS)
        if not ignored and entry.name not in (*VARS_DIRECTORIES, "vars_plugins"):
            yield from _sources(entry)


def _scan_source(source: Path, scan: Scan) -> None:
    text = _text(source)
    if text is None or text.startswith("#!") or source.suffix == ".toml":
        scan.opaque.append(str(source))
    elif source.suffix in YAML_EXTENSIONS or (not source.suffix and is_mapping(text)):
        scan_yaml_inventory(text, str(source), scan)
    else:
        scan_ini(text, str(source), scan)


def _scan_vars_directory(directory: Path, kind: Kind, scan: Scan) -> None:
    if not directory.is_dir():
        return
    entries: dict[str, list[Path]] = {}
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        has_extension = not entry.is_dir() and entry.suffix in YAML_EXTENSIONS
        entries.setdefault(entry.stem if has_extension else entry.name, []).append(entry)
    for name, found in entries.items():
        read, *hidden = sorted(found, key=lambda p: VARS_EXTENSIONS.index(p.suffix if p.name != name else ""))
        scan.shadowed.extend((str(path), str(read)) for path in hidden)
        owner = Owner("files", kind, name)
        scan.vars_files[owner] = str(read)
        for file in _vars_files(read):
            text = _text(file)
            if text is None:
                scan.opaque.append(str(file))
            else:
                scan_vars_file(text, str(file), owner, scan)


def _vars_files(path: Path) -> Iterator[Path]:
    """Files that Ansible reads below group_vars/X.

    With a known extension or none, directories without a dot in the name.
    """
    if not path.is_dir():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir() and not entry.suffix:
            yield from _vars_files(entry)
        elif entry.is_file() and entry.suffix in VARS_EXTENSIONS:
            yield entry


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
