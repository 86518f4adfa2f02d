"""Variables of the phase `os`: kernel settings, the journal's limits, /etc/hosts, node ports."""

from __future__ import annotations

import re
from typing import Any

from kprov.spec.checks.addresses import parse_address
from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

KEY = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_:.@-]+)+")
# systemd.syntax(7): sizes are bytes, or with a unit to the base of 1024; systemd.time(7): time spans.
SIZE = re.compile(r"\d+(\.\d+)?[KMGTPE]?")
TIME = re.compile(r"0|(\d+\s*(us|ms|s|sec|m|min|h|hr|d|day|w)\s*)+")
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
RANGE = re.compile(r"(\d{1,5})-(\d{1,5})")
CONNTRACK = frozenset({"net.netfilter.nf_conntrack_max", "net.nf_conntrack_max"})
# vm.nr_hugepages; a node with more than 2 TiB of them has a typo.
MOST_HUGEPAGES = 1_048_576


def sysctl(draft: Draft, report: Report) -> None:
    """Keys of os_sysctl look like keys, have one value, and are nobody else's."""
    for settings, host in draft.distinct("os_sysctl"):
        for key, value in settings.items():
            problem, hint = _setting(str(key), value, host)
            if problem:
                report.error("sysctl", f"os_sysctl: {problem}", host=host.name, variable="os_sysctl", hint=hint)


def _setting(key: str, value: Any, host: DraftHost) -> tuple[str, str | None]:
    """What is wrong with a setting (empty: nothing), and a hint."""
    name = ".".join(re.split("[./]", key))
    if not KEY.fullmatch(key):
        return f"{key!r} is not a kernel setting such as net.ipv4.ip_forward", None
    if isinstance(value, (dict, list)):
        return f"{key} must have one value", "several numbers are one text: '4096 131072 6291456'"
    if value is None:
        return "", None
    if name in CONNTRACK and _kube_proxy_sets_conntrack(host):
        return (
            f"{key} is set by kube-proxy at each start",
            f"kube_proxy_config: {{conntrack: {{maxPerCore: 0, min: {value}}}}}",
        )
    return "", None


def _kube_proxy_sets_conntrack(host: DraftHost) -> bool:
    """Its defaults are 32768 per core and at least 131072; only two zeros leave the setting alone."""
    conntrack = host.values.get("kube_proxy_config", {}).get("conntrack") or {}
    return bool(conntrack.get("maxPerCore", 32768) or conntrack.get("min", 131072))


def journal(draft: Draft, report: Report) -> None:
    """The journal's limits are what systemd understands: it ignores a line that it does not, with a word in the log."""
    for name, form, example in (
        ("os_journal_max_use", SIZE, "1G or 500M"),
        ("os_journal_rate_limit_interval", TIME, "30s or 1min"),
    ):
        for text, host in draft.distinct(name):
            if not form.fullmatch(text):
                report.error("journal", f"{name} {text!r} is not of the form {example}", host=host.name, variable=name)
    for burst, host in draft.distinct("os_journal_rate_limit_burst"):
        if burst < 0:
            name = "os_journal_rate_limit_burst"
            report.error("journal", f"{name} {burst} is less than 0", host=host.name, variable=name)


def hosts_entries(draft: Draft, report: Report) -> None:
    """/etc/hosts: address -> list of names."""
    name = "os_hosts_entries"
    for entries, host in draft.distinct(name):
        for address, names in entries.items():
            if parse_address(str(address)) is None:
                text = f"{name}: {address!r} is not an address"
                report.error("hosts-entry", text, host=host.name, variable=name, hint="address first: {192.0.2.1: [a]}")
            good = isinstance(names, list) and names and all(HOSTNAME.fullmatch(str(n)) for n in names)
            if not good:
                text = f"{name}: {address} needs a list of names such as [registry.example]"
                report.error("hosts-entry", text, host=host.name, variable=name)


def node_ports(draft: Draft, report: Report) -> None:
    """A range of ports, and the one that the API server gives out."""
    name = "os_node_ports"
    for text, host in draft.distinct(name):
        found = RANGE.fullmatch(text)
        if not found or not 1 <= int(found.group(1)) <= int(found.group(2)) <= 65535:
            message = f"{name} {text!r} is not a range of ports such as 30000-32767"
            report.error("node-ports", message, host=host.name, variable=name)
            continue
        used = str(host.values.get("control_plane_api_server_args", {}).get("service-node-port-range", "30000-32767"))
        if used != text:
            message = f"{name} is {text}, but the API server's service-node-port-range is {used}"
            variable = name if name in host.raw else "control_plane_api_server_args"
            report.error("node-ports", message, host=host.name, variable=variable, hint=f"set {name}: {used}")


def hugepages(draft: Draft, report: Report) -> None:
    """A number of pages that can be."""
    name = "os_hugepages"
    for pages, host in draft.distinct(name):
        if not 0 <= pages <= MOST_HUGEPAGES:
            message = f"{name} {pages} is not between 0 and {MOST_HUGEPAGES}"
            report.error("hugepages", message, host=host.name, variable=name)


def disk_free(draft: Draft, report: Report) -> None:
    """Absolute paths, each with a number of GiB."""
    name = "os_disk_free"
    for paths, host in draft.distinct(name):
        for path, size in paths.items():
            if not str(path).startswith("/"):
                report.error("disk-free", f"{name}: {path!r} is not an absolute path", host=host.name, variable=name)
            if isinstance(size, bool) or not isinstance(size, (int, float)) or size < 0:
                message = f"{name}: {path} needs a number of GiB, not {size!r}"
                report.error("disk-free", message, host=host.name, variable=name, hint="{/data: 50}")
