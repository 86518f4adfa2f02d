"""Kernel settings: names, live values, and when a value is good enough."""

from __future__ import annotations

import re

from ansible.module_utils.kprov_paths import real

# exact: this value. at_least: a number, raised and never lowered. includes: a list of ports, extended and never cut.
RULES = ("exact", "at_least", "includes")
ABSENT = "this kernel does not have it, or does not show it here"


class Setting:
    """A setting that somebody wants. essential: a node that refuses it cannot be used."""

    def __init__(self, key: str, value: object, rule: str = "exact", essential: bool = True, why: str = "") -> None:
        self.key = key
        self.value = normal(value)
        self.rule = rule
        self.essential = essential
        self.why = why

    def satisfied_by(self, value: str | None) -> bool:
        """Whether a value is good enough."""
        if value is None:
            return False
        try:
            if self.rule == "at_least":
                return int(value) >= int(self.value)
            if self.rule == "includes":
                return ports(self.value) <= ports(value)
        except ValueError:
            return False
        return normal(value) == self.value

    def joined_with(self, value: str | None) -> str:
        """What to set where `value` is set: never less than that, where the rule says so."""
        try:
            if self.rule == "at_least":
                return str(max(int(self.value), int(value or self.value)))
            if self.rule == "includes":
                return ranges(ports(self.value) | ports(value or ""))
        except ValueError:
            pass
        return self.value

    def entry(self) -> dict:
        """For the phase's record."""
        return {"value": self.value, "rule": self.rule}


def merge(known: dict[str, dict], wanted: dict[str, object]) -> list[Setting]:
    """The settings of a table, with the values that somebody wants instead.

    known: key to {"value", "rule", "essential", "why"}; a value of None is for the case that somebody wants the key.
    wanted: key to value; None leaves the key alone. A key that is not known must be exactly so, and is essential.
    """
    found = []
    for key in sorted({*known, *wanted}):
        value = wanted[key] if key in wanted else known[key]["value"]
        if value is not None:
            about = {name: part for name, part in known.get(key, {}).items() if name != "value"}
            found.append(Setting(key, value, **about))
    return found


def path(key: str) -> str:
    """The file of a setting. Like sysctl(8): the first separator rules, so net/ipv4/conf/eth0.1/rp_filter works."""
    return real("/proc/sys/" + "/".join(parts(key)))


def parts(key: str) -> list[str]:
    """The path of a setting below /proc/sys, in parts: equal for every way to write its name."""
    separator = re.search("[./]", key)
    if separator and separator.group() == "/":
        return key.split("/")
    return key.translate(str.maketrans("./", "/.")).split("/")


def read(key: str) -> str | None:
    """The live value, white space normalised; None if the kernel has no such setting or does not show it."""
    try:
        with open(path(key), encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError:
        return None


def write(setting: Setting, value: str) -> str | None:
    """Write a value and read it back. The reason if it did not hold."""
    try:
        with open(path(setting.key), "w", encoding="utf-8") as file:
            file.write(value + "\n")
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        return f"refused: {error.strerror}"
    live = read(setting.key)
    return None if setting.satisfied_by(live) else f"written, but it is {live}"


def normal(value: object) -> str:
    """A value as the kernel prints it."""
    return str(int(value)) if isinstance(value, bool) else " ".join(str(value).split())


def ports(text: str) -> set[int]:
    """The numbers of a list such as 30000-32767,40000. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def ranges(numbers: set[int]) -> str:
    """The shortest list of those numbers, as the kernel prints it."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in found)
