"""Which inventory a command works on."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from kprov.errors import InputError

VARIABLE = "KPROV_INVENTORY"
DEFAULTS = ("inventory.ini", "inventory/hosts.ini")
# Inside a directory that is given: `kprov up DIR` after `kprov init DIR`.
INSIDE = ("inventory.ini", "inventory.yml", "hosts.ini", "hosts.yml")


def find_inventory(given: Path | None = None, *, start: Path | None = None) -> Path:
    """The argument, $KPROV_INVENTORY, inventory.ini, inventory/hosts.ini, or `inventory=` of ./ansible.cfg.

    start: the directory to look in, by default the current one. A directory that is given and holds an inventory.ini
    (or .yml, or hosts.ini) means that file, any other directory is an inventory directory as Ansible knows it. Raises
    InputError.
    """
    if given is not None:
        return _existing(given, "the inventory that was given")
    named = os.environ.get(VARIABLE)
    if named:
        return _existing(Path(named).expanduser(), f"${VARIABLE}")
    here = start or Path()
    for name in DEFAULTS:
        if (here / name).exists():
            return here / name
    configured = _of_ansible_cfg(here / "ansible.cfg")
    if configured is not None:
        return _existing(configured, f"inventory= of {here / 'ansible.cfg'}")
    message = "no inventory found"
    raise InputError(message, hint=f"name one (kprov up FILE), set ${VARIABLE}, or make one with kprov init DIR")


def _existing(path: Path, source: str) -> Path:
    if path.is_dir():
        return next((path / name for name in INSIDE if (path / name).is_file()), path)
    if not path.exists():
        message = f"{source}, {path}, does not exist"
        raise InputError(message, hint="make one with kprov init DIR")
    return path


def _of_ansible_cfg(file: Path) -> Path | None:
    """The `inventory` setting, relative to the file as in Ansible; None without file or setting. Raises InputError."""
    if not file.is_file():
        return None
    # Ansible reads ansible.cfg with inline comments that start with a semicolon.
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        message = f"{file} cannot be read: {error}"
        raise InputError(message) from None
    value = parser.get("defaults", "inventory", fallback="").strip()
    if not value:
        return None
    if "," in value:
        message = f"{file} names more than one inventory: {value}"
        raise InputError(message, hint=f"name one of them on the command line or in ${VARIABLE}")
    return file.parent / Path(value).expanduser()
