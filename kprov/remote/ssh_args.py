"""ansible_ssh_common_args and its sisters, as OpenSSH would read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# ssh(1): flags that set an option of ssh_config(5) ...
AS_OPTION = {"-J": "ProxyJump", "-i": "IdentityFile", "-l": "User", "-p": "Port"}
# ... and those that take a value we have no use for.
WITH_VALUE = frozenset({"-B", "-b", "-c", "-D", "-E", "-e", "-I", "-L", "-m", "-O", "-P", "-Q", "-R", "-S", "-W", "-w"})


@dataclass(frozen=True)
class SshArguments:
    """options: (name in lower case, value) in order, the first value of a name wins; config_file: of -F."""

    options: tuple[tuple[str, str], ...] = ()
    config_file: str | None = None

    def value(self, name: str) -> str | None:
        """Value of an option, None if it is not given."""
        return next((value for key, value in self.options if key == name.lower()), None)

    def with_first(self, name: str, value: str) -> SshArguments:
        """The same with an option that wins over all others of its name."""
        return SshArguments(((name, value), *self.options), self.config_file)

    def as_config(self) -> str:
        """The options as text of ssh_config(5)."""
        return "Host *\n" + "".join(f"  {name} {value}\n" for name, value in self.options)


def parse(arguments: Sequence[str]) -> SshArguments:
    """Arguments of ssh(1), split as a shell does. Flags that do not matter for reading from a host are left out."""
    options: list[tuple[str, str]] = []
    config_file = None
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, value = argument[:2], argument[2:]
        if flag in AS_OPTION or flag in {"-o", "-F"} or flag in WITH_VALUE:
            if not value:
                value = rest.pop(0) if rest else ""
            if flag == "-o":
                options.append(_option(value))
            elif flag == "-F":
                config_file = value
            elif flag in AS_OPTION:
                options.append((AS_OPTION[flag].lower(), value))
    return SshArguments(tuple(options), config_file)


def _option(text: str) -> tuple[str, str]:
    """`Name=value`, `Name value` or `Name = value`; a value may be in double quotes."""
    for position, character in enumerate(text):
        if character in "= \t":
            value = text[position:].lstrip(" \t")
            value = value.removeprefix("=").strip()
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = value[1:-1]
            return text[:position].lower(), value
    return text.lower(), ""
