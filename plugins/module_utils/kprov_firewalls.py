"""firewalld and ufw: what is open, open more, close again. A rule is a text that the firewall itself understands."""

from __future__ import annotations

import re
import shutil
from typing import Callable

# argv -> (exit code, output)
Run = Callable[[list[str]], "tuple[int, str]"]
COMMENT = "kprov"


class FirewallError(Exception):
    """The firewall did not do what it was told; the message is for the user."""


class Ufw:
    """Debian's and Ubuntu's. A rule is what follows `ufw`, as `ufw show added` prints it."""

    name = "ufw"

    def __init__(self, run: Run) -> None:
        self._run = run

    def active(self) -> bool:
        """Whether it filters now."""
        return shutil.which("ufw") is not None and "Status: active" in self._call("status")

    def wanted(self, ports: list[str], sources: list[str]) -> list[str]:
        """Rules for ports (10250/tcp, 30000-32767/udp) and for networks whose traffic passes, also through the node."""
        rules = [f"allow {port.replace('-', ':')}" for port in ports]
        for network in sources:
            rules += [f"allow from {network}", f"route allow from {network}", f"route allow to {network}"]
        return rules

    def present(self) -> set[str]:
        """Rules that are there, whoever made them."""
        lines = re.findall(r"^ufw (.+)$", self._call("show", "added"), re.MULTILINE)
        return {re.sub(r" comment '.*'$", "", line).strip() for line in lines}

    def add(self, rules: list[str]) -> None:
        """Add rules, now and for good."""
        for rule in rules:
            self._call(*rule.split(), "comment", COMMENT)

    def remove(self, rules: list[str]) -> None:
        """Remove rules."""
        for rule in rules:
            words = rule.split()
            route = ["route"] if words[0] == "route" else []
            self._call("--force", *route, "delete", *words[len(route) :])

    def _call(self, *arguments: str) -> str:
        code, output = self._run(["ufw", *arguments])
        if code != 0:
            raise FirewallError(f"ufw {' '.join(arguments)}: {output.strip()}")
        return output


class Firewalld:
    """Enterprise Linux's. A rule is ZONE OPTION[=VALUE]; it is made at once and permanently, so nothing is reloaded.

    Networks whose traffic passes are members of the node's own zone: between members firewalld forwards. In another
    zone (`trusted`) what other nodes send to pods would come from one zone and go to the other, and be refused.
    """

    name = "firewalld"
    # What `--list-...s` says of a zone.
    LISTS = ("port", "source", "rich-rule")

    def __init__(self, run: Run, address: str) -> None:
        self._run = run
        self._address = address

    def active(self) -> bool:
        """Whether it filters now."""
        return shutil.which("firewall-cmd") is not None and self._run(["firewall-cmd", "--state"])[0] == 0

    def wanted(self, ports: list[str], sources: list[str]) -> list[str]:
        """Rules for ports and for networks, in the zone of the node's address."""
        zone = self._zone() if ports or sources else ""
        rules = [f"{zone} port={port}" for port in ports]
        for network in sources:
            family = "ipv6" if ":" in network else "ipv4"
            accept = f'rule family="{family}" source address="{network}" accept'
            rules += [f"{zone} source={network}", f"{zone} rich-rule={accept}"]
        return rules + ([f"{zone} forward"] if sources else [])

    def present(self) -> set[str]:
        """Rules that are there both now and for good."""
        return self._listed() & self._listed("--permanent")

    def add(self, rules: list[str]) -> None:
        """Add rules, now and for good."""
        self._change("add", rules)

    def remove(self, rules: list[str]) -> None:
        """Remove rules."""
        self._change("remove", rules)

    def _change(self, verb: str, rules: list[str]) -> None:
        """One call for each zone and kind of option: firewall-cmd looks at one kind only."""
        options: dict[tuple[str, str], list[str]] = {}
        for rule in rules:
            zone, option = rule.split(" ", 1)
            options.setdefault((zone, option.partition("=")[0]), []).append(f"--{verb}-{option}")
        for (zone, _), words in sorted(options.items()):
            for permanent in ([], ["--permanent"]):
                self._call(*permanent, f"--zone={zone}", *words)

    def _listed(self, *options: str) -> set[str]:
        zone, found = self._zone(), set()
        for kind in self.LISTS:
            listed = self._call(*options, f"--zone={zone}", f"--list-{kind}s")
            found.update(f"{zone} {kind}={value}" for value in _values(kind, listed))
        if self._run(["firewall-cmd", *options, f"--zone={zone}", "--query-forward"])[0] == 0:
            found.add(f"{zone} forward")
        return found

    def _zone(self) -> str:
        """The zone of the interface that has the node's address."""
        code, shown = self._run(["ip", "-oneline", "address", "show", "to", self._address])
        if code == 0 and shown.split():
            interface = shown.split()[1]
            code, zone = self._run(["firewall-cmd", f"--get-zone-of-interface={interface}"])
            if code == 0:
                return zone.strip()
        return self._call("--get-default-zone").strip()

    def _call(self, *arguments: str) -> str:
        code, output = self._run(["firewall-cmd", *arguments])
        if code != 0:
            raise FirewallError(f"firewall-cmd {' '.join(arguments)}: {output.strip()}")
        return output


def _values(kind: str, listed: str) -> list[str]:
    """Rich rules are one to a line, everything else is one to a word."""
    return listed.splitlines() if kind == "rich-rule" else listed.split()
