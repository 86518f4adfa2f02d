"""Where clients find the API server."""

from __future__ import annotations

import re

from kprov.spec.checks.addresses import parse_address
from kprov.spec.checks.names import is_subdomain
from kprov.spec.draft import Draft
from kprov.spec.report import Report

ENDPOINT = re.compile(r"^(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/]+))(?::(?P<port>\d+))?$")


def control_plane_endpoint(draft: Draft, report: Report) -> None:
    """host[:port], an IPv6 address in brackets; and not empty where there are several control planes."""
    for endpoint, host in draft.distinct("control_plane_endpoint"):
        if endpoint and not is_endpoint(endpoint):
            report.error(
                "endpoint",
                f"control_plane_endpoint {endpoint!r} is not HOST or HOST:PORT",
                host=host.name,
                variable="control_plane_endpoint",
                hint=_hint(endpoint),
            )
        if not endpoint and len(draft.control_planes) > 1:
            first = draft.control_planes[0].name
            report.warning(
                "endpoint",
                f"with control_plane_endpoint empty, every client depends on the first control plane, {first}",
                group="kube_control_plane",
                hint="set it to a name or a virtual address that leads to all control planes",
            )


def is_endpoint(text: str) -> bool:
    """True for HOST or HOST:PORT; an IPv6 address needs brackets, because its colons would be taken for a port's."""
    found = ENDPOINT.match(text)
    if not found or not 0 < int(found["port"] or 1) <= 65535:
        return False
    if found["v6"] is not None:
        address = parse_address(found["v6"])
        return address is not None and address.version == 6
    host = found["host"].lower()
    # A name of digits and dots that is no address is a mistyped address.
    return parse_address(host) is not None or (is_subdomain(host) and not re.fullmatch(r"[\d.]+", host))


def _hint(endpoint: str) -> str | None:
    if "://" in endpoint:
        return "write it without https:// and without a path"
    return "put an IPv6 address into brackets: [fd00::1]:6443" if endpoint.count(":") > 1 else None


def api_server_port(draft: Draft, report: Report) -> None:
    """A port number that nothing else of a control plane needs."""
    taken = {2379: "etcd", 2380: "etcd", 10250: "the kubelet", 10257: "the controller manager", 10259: "the scheduler"}
    for port, host in draft.distinct("api_server_port"):
        problem = "is not a port number (1 to 65535)" if not 0 < port <= 65535 else None
        if port in taken:
            problem = f"is the port of {taken[port]}"
        if problem:
            report.error("port", f"api_server_port {port} {problem}", host=host.name, variable="api_server_port")
