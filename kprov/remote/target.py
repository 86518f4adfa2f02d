"""Where an SSH connection goes and how: the inventory's variables over the user's ssh_config, as OpenSSH does."""

from __future__ import annotations

import getpass
import glob
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.remote.ssh_args import SshArguments, parse
from kprov.spec.cluster import Connection

USER_CONFIG = "~/.ssh/config"
SYSTEM_CONFIG = "/etc/ssh/ssh_config"
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
MAX_INCLUDES = 16  # depth; OpenSSH's READCONF_MAX_DEPTH


@dataclass(frozen=True)
class Target:
    """One end of a connection, everything resolved.

    name: as the inventory has it; address: what is connected to; known_as: the name that known_hosts has it under.
    strict: StrictHostKeyChecking ("ask" when nobody set it). proxy_jump: "user@host:port" hops, nearest to us first.
    command: what a person types to get the same connection.
    """

    name: str
    address: str
    port: int
    user: str
    known_as: str
    identity_files: tuple[str, ...]
    use_agent: bool
    known_hosts: tuple[str, ...]
    system_known_hosts: tuple[str, ...]
    strict: str
    proxy_jump: tuple[str, ...]
    proxy_command: str | None
    command: str
    config_file: str | None = None


def resolve(connection: Connection) -> Target:
    """The target of an inventory's host."""
    arguments = parse(connection.ssh_args)
    if connection.port != 22:  # 22 may as well mean that nobody said a port
        arguments = arguments.with_first("port", str(connection.port))
    if connection.user:
        arguments = arguments.with_first("user", connection.user)
    config = lookup(connection.host, arguments)
    command = ["ssh", *connection.ssh_args]
    if connection.private_key_file:
        command += ["-i", connection.private_key_file]
    port = int(config.get("port", 22))
    user = config.get("user") or getpass.getuser()
    if port != 22:
        command += ["-p", str(port)]
    command.append(f"{user}@{connection.host}")
    return _target(connection.host, config, arguments, port, user, connection.private_key_file, shlex.join(command))


def resolve_hop(hop: str, config_file: str | None) -> Target:
    """The target of a jump host, "[user@]host[:port]"; like OpenSSH, it takes nothing from the host behind it."""
    user, _, address = hop.rpartition("@")
    name, colon, port = address.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):
        name, port = address, ""
    name = name.strip("[]")
    given = [(key, value) for key, value in (("user", user), ("port", port)) if value]
    arguments = SshArguments(tuple(given), config_file)
    config = lookup(name, arguments)
    number = int(config.get("port", 22))
    login = config.get("user") or getpass.getuser()
    command = ["ssh", *(["-p", str(number)] if number != 22 else []), f"{login}@{name}"]
    return _target(name, config, arguments, number, login, None, shlex.join(command))


def lookup(name: str, arguments: SshArguments) -> dict[str, Any]:
    """Options of ssh_config(5), lower-case name to value; the command line wins over ~/.ssh/config, that over /etc."""
    from paramiko.config import SSHConfig

    text = arguments.as_config()
    for file in [arguments.config_file] if arguments.config_file else [USER_CONFIG, SYSTEM_CONFIG]:
        text += "Host *\n" + _with_includes(file)
    return dict(SSHConfig.from_text(text).lookup(name))


def _with_includes(file: str, depth: int = 0) -> str:
    """Text of a configuration file with its Include lines replaced by what they name (paramiko does not know them)."""
    path = Path(file).expanduser()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    text = []
    for line in lines:
        words = line.replace("=", " ", 1).split()
        if not words or words[0].lower() != "include":
            text.append(line)
        elif depth < MAX_INCLUDES:
            for pattern in words[1:]:
                base = "/etc/ssh" if file.startswith("/etc/ssh") else _home("~/.ssh")
                found = glob.glob(_home(pattern.strip('"')), root_dir=base)  # noqa: PTH207 (the pattern may be absolute)
                text += [_with_includes(str(Path(base, name)), depth + 1) for name in sorted(found)]
    return "\n".join(text) + "\n"


def _target(
    name: str, config: dict[str, Any], arguments: SshArguments, port: int, user: str, key: str | None, command: str
) -> Target:
    address = config.get("hostname", name)
    alias = config.get("hostkeyalias")
    identities = [key] if key else []
    identities += [file for file in config.get("identityfile", ()) if file not in identities]
    jump, proxy = config.get("proxyjump"), config.get("proxycommand")
    if arguments.value("proxycommand") is not None:
        jump = None
    elif arguments.value("proxyjump") is not None:
        proxy = None
    return Target(
        name=name,
        address=address,
        port=port,
        user=user,
        known_as=alias or (address if port == 22 else f"[{address}]:{port}"),
        identity_files=tuple(_home(file) for file in identities),
        use_agent=config.get("identityagent") != "none",
        known_hosts=_files(config.get("userknownhostsfile", USER_KNOWN_HOSTS)),
        system_known_hosts=_files(config.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS)),
        strict=str(config.get("stricthostkeychecking", "ask")).lower(),
        proxy_jump=tuple(hop.strip() for hop in jump.split(",")) if jump and jump != "none" else (),
        proxy_command=proxy if proxy and proxy != "none" and not jump else None,
        command=command,
        config_file=arguments.config_file,
    )


def _home(path: str) -> str:
    return str(Path(path).expanduser())


def _files(text: str) -> tuple[str, ...]:
    return tuple(_home(file) for file in shlex.split(text) if file != "none")
