"""The probe: collects every topic into one JSON-ready document. A topic that fails does not take the rest along."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kprov.remote.node import capacity, cluster, commands, kernel, machine, network, processes, read, records


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: bin_dir, commands, paths, image_root, ports, resolv_conf, api_server_port (None: do not ask the API).

    Returns {"uid", "errors": ["topic: what went wrong"], and per topic what its function returns, if it did}.
    """
    bin_dir = question["bin_dir"]
    answer: dict[str, Any] = {"errors": [], "uid": os.geteuid()}

    def topic(name: str, look: Callable[[], Any]) -> None:
        try:
            answer[name] = look()
        except Exception as error:  # whatever it is, the other topics are still worth having
            answer["errors"].append(f"{name}: {type(error).__name__}: {error}")

    topic("identity", machine.identity)
    topic("os", machine.operating_system)
    topic("resources", lambda: machine.resources(question["paths"]))
    topic("capacity", lambda: capacity.capacity(question["image_root"]))
    topic("logind", lambda: read.exists("/run/systemd/inhibit"))
    topic("cgroup_version", kernel.cgroup_version)
    topic("kernel_features", kernel.features)
    topic("listeners", lambda: network.listeners(question["ports"]))
    topic("addresses", network.addresses)
    topic("nameservers", lambda: network.nameservers(question["resolv_conf"]))
    topic("resolves_itself", network.resolves_itself)
    topic("time_service", lambda: None if machine.container() else processes.time_service())
    topic("usage", processes.usage)
    topic("missing_commands", lambda: commands.missing(question["commands"]))
    machine_id = answer.get("identity", {}).get("machine_id", "")
    topic("records", lambda: records.phases(machine_id, bin_dir))
    topic("runtime_root", lambda: records.runtime_root(machine_id))
    topic("lock", records.lock)
    topic("cluster", lambda: cluster.traces(bin_dir))
    if question["api_server_port"]:
        topic("api", lambda: _api(question["api_server_port"]))
    return answer


def _api(port: int) -> dict[str, Any]:
    if not read.exists("/etc/kubernetes/admin.conf"):
        return {"reachable": False, "error": "there is no control plane here yet"}
    from kprov.remote.node import api  # ssl and http cost 25 ms, and only control planes need them

    return api.state(port)
