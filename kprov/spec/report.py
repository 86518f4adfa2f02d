"""Collects problems with their place, and says the same thing only once.

A wrong line of group_vars/all.yml is wrong for 200 hosts: that is one problem, not 200.
"""

from __future__ import annotations

from kprov.errors import Problem, Severity
from kprov.spec.locate import Locations
from kprov.spec.scan import Place


class Report:
    """Problems in the order in which they are found."""

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._found: dict[tuple[Severity, str, str, Place | None], list[str | None]] = {}
        self._hints: dict[tuple[Severity, str, str, Place | None], str | None] = {}

    def error(
        self,
        code: str,
        message: str,
        *,
        host: str | None = None,
        variable: str | None = None,
        group: str | None = None,
        hint: str | None = None,
    ) -> None:
        """The inventory cannot be used. The place is that of the host's variable, of the host, or of the group."""
        self._add("error", code, message, host, self._place(host, variable, group), hint)

    def warning(
        self,
        code: str,
        message: str,
        *,
        host: str | None = None,
        variable: str | None = None,
        group: str | None = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        """Worth a look; nothing stops. place: when it is known already; line 0 is the file as a whole."""
        self._add("warning", code, message, host, place or self._place(host, variable, group), hint)

    def error_at(self, code: str, message: str, place: Place, *, hint: str | None = None) -> None:
        """The inventory cannot be used, because of this very line."""
        self._add("error", code, message, None, place, hint)

    def problems(self) -> list[Problem]:
        """Everything found.

        A problem of several hosts with one place has no host; without a place the message counts them.
        """
        return [
            self._problem(key, list(dict.fromkeys(name for name in hosts if name)))
            for key, hosts in self._found.items()
        ]

    def _problem(self, key: tuple[Severity, str, str, Place | None], hosts: list[str]) -> Problem:
        severity, code, message, place = key
        if len(hosts) > 1 and not place:
            message = f"{message} (and on {len(hosts) - 1} more host{'s' * (len(hosts) > 2)})"
        return Problem(
            severity=severity,
            code=code,
            message=message,
            host=hosts[0] if hosts and (len(hosts) == 1 or not place) else None,
            file=place.file if place else None,
            line=(place.line or None) if place else None,
            hint=self._hints[key],
        )

    def _add(
        self, severity: Severity, code: str, message: str, host: str | None, place: Place | None, hint: str | None
    ) -> None:
        key = (severity, code, message, place)
        self._found.setdefault(key, []).append(host)
        self._hints.setdefault(key, hint)

    def _place(self, host: str | None, variable: str | None, group: str | None) -> Place | None:
        if host and variable and (place := self._locations.variable(host, variable)):
            return place
        if host and not variable:
            return self._locations.host(host)
        return self._locations.group(group) if group else None
