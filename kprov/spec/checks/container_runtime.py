"""Registries, and what Docker's daemon.json may hold."""

from __future__ import annotations

import re
from typing import Any

from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

MIRRORS = "container_runtime_registry_mirrors"
INSECURE = "container_runtime_insecure_registries"
DAEMON = "container_runtime_docker_daemon"
DOCKER_PREFIX = "container_runtime_docker_"
# Keys of daemon.json that have a variable of their own: set in two places, one of them would lose silently.
OWN_VARIABLE = {
    "data-root": "container_runtime_root",
    "graph": "container_runtime_root",
    "log-driver": "container_runtime_docker_log_driver",
    "storage-driver": "container_runtime_docker_storage_driver",
    "live-restore": "container_runtime_docker_live_restore",
    "iptables": "container_runtime_docker_iptables",
    "ip6tables": "container_runtime_docker_iptables",
    "default-ulimits": "container_runtime_docker_default_ulimits",
    "registry-mirrors": MIRRORS,
    "insecure-registries": INSECURE,
}
LOG_OPTS = {
    "max-size": "container_runtime_docker_log_max_size",
    "max-file": "container_runtime_docker_log_max_files",
}
# roles/cluster/vars, cri_socket.
SOCKETS = {"containerd": "unix:///run/containerd/containerd.sock", "docker": "unix:///run/cri-dockerd.sock"}
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
# Docker reads it with units.FromHumanSize, and only when it creates a container: a wrong one would break every new pod.
SIZE = re.compile(r"\d+(\.\d+)?\s?[kmgKMG][bB]?")
# getrlimit(2); Docker takes the names from github.com/docker/go-units.
ULIMITS = frozenset(
    {
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    }
)


def registry_mirrors(draft: Draft, report: Report) -> None:
    """Registry -> list of URLs; Docker can mirror docker.io and nothing else."""
    for mirrors, host in draft.distinct(MIRRORS):
        for registry, urls in mirrors.items():
            good = isinstance(urls, list) and all(str(u).startswith(("http://", "https://")) for u in urls)
            if not good:
                text = f"{MIRRORS}: {registry} needs a list of URLs such as [https://mirror.example]"
                report.error("registry-mirror", text, host=host.name, variable=MIRRORS)
    for host in _docker_hosts(draft):
        others = [registry for registry in host.values.get(MIRRORS, {}) if registry != "docker.io"]
        if others:
            report.error(
                "registry-mirror",
                f"{MIRRORS}: Docker can only mirror docker.io, not {', '.join(others)}",
                host=host.name,
                variable=MIRRORS,
                hint="set image_repository to a registry of your own, or use container_runtime: containerd",
            )


def insecure_registries(draft: Draft, report: Report) -> None:
    """Hosts without a scheme; each one is worth a warning."""
    for registries, host in draft.distinct(INSECURE):
        for registry in registries:
            if not HOST.fullmatch(str(registry)):
                report.error(
                    "insecure-registry",
                    f"{INSECURE}: {registry!r} is not a host or host:port",
                    host=host.name,
                    variable=INSECURE,
                    hint="write it as in image references: 192.168.10.33:80",
                )
        if registries:
            report.warning(
                "insecure-registry",
                f"images of {', '.join(map(str, registries))} may be anybody's: no certificate is checked",
                host=host.name,
                variable=INSECURE,
                hint="give the registry a certificate that the nodes trust and take it off the list",
            )


def docker_daemon(draft: Draft, report: Report) -> None:
    """Keys of daemon.json that kprov sets from other variables, or that cannot work on a node."""
    for daemon, host in draft.distinct(DAEMON):
        for key, why in _misplaced(daemon).items():
            report.error("docker-daemon", f"{DAEMON}: {why}", host=host.name, variable=DAEMON, hint=_hint(key))


def docker_values(draft: Draft, report: Report) -> None:
    """Values that Docker would refuse late: sizes when a pod is made, limits when it is started."""
    for size, host in draft.distinct("container_runtime_docker_log_max_size"):
        if not SIZE.fullmatch(size):
            text = f"container_runtime_docker_log_max_size {size!r} is not a size such as 10m"
            report.error("size", text, host=host.name, variable="container_runtime_docker_log_max_size")
    for count, host in draft.distinct("container_runtime_docker_log_max_files"):
        if count < 1:
            text = f"container_runtime_docker_log_max_files is {count}: at least one file is needed"
            report.error("size", text, host=host.name, variable="container_runtime_docker_log_max_files")
    name = "container_runtime_docker_default_ulimits"
    for limits, host in draft.distinct(name):
        for limit, value in limits.items():
            if limit not in ULIMITS or not _is_limit(value):
                text = f"{name}: {limit} is not a limit such as nofile: {{soft: 65536, hard: 1048576}}"
                report.error(
                    "ulimit", text, host=host.name, variable=name, hint=f"limits: {', '.join(sorted(ULIMITS))}"
                )


def docker_and_kubernetes(draft: Draft, report: Report) -> None:
    """What does not go together with Docker, and Docker's variables where there is none."""
    docker = _docker_hosts(draft)
    for host in draft.hosts:
        if host not in docker and host.text("container_runtime"):
            for name in host.raw:
                if name.startswith(DOCKER_PREFIX):
                    text = f"{name} has no effect: container_runtime is {host.text('container_runtime')}"
                    report.warning("no-effect", text, host=host.name, variable=name)
    for host in docker:
        driver = host.text("container_runtime_docker_log_driver")
        if driver not in (None, "json-file"):
            report.warning(
                "docker-log-driver",
                f"the kubelet cannot read logs of Docker's {driver}: kubectl logs shows nothing",
                host=host.name,
                variable="container_runtime_docker_log_driver",
                hint="use json-file",
            )


def cri_socket(draft: Draft, report: Report) -> None:
    """The kubelet's socket follows from the runtime; old ones (dockershim's, Docker's own) speak no CRI."""
    for host in draft.hosts:
        own = (host.values.get("kubelet_config") or {}).get("containerRuntimeEndpoint")
        right = SOCKETS.get(host.text("container_runtime") or "")
        if own is not None and right and own != right:
            report.error(
                "cri-socket",
                f"kubelet_config: containerRuntimeEndpoint {own} is not the socket of {host.text('container_runtime')}",
                host=host.name,
                variable="kubelet_config",
                hint=f"leave it out: kprov gives kubeadm, kubelet and crictl {right}",
            )


def _docker_hosts(draft: Draft) -> list[DraftHost]:
    return [host for host in draft.hosts if host.text("container_runtime") == "docker"]


def _misplaced(daemon: dict[str, Any]) -> dict[str, str]:
    """Key to why it cannot be there."""
    found = {key: f"{key} has a variable of its own" for key in daemon if key in OWN_VARIABLE}
    log_opts = daemon.get("log-opts")
    if isinstance(log_opts, dict):
        found |= {key: f"log-opts.{key} has a variable of its own" for key in log_opts if key in LOG_OPTS}
    if "hosts" in daemon:
        found["hosts"] = "hosts is set by the flag -H of docker.service, and dockerd refuses both"
    options = daemon.get("exec-opts")
    for option in options if isinstance(options, list) else ():
        if str(option).startswith("native.cgroupdriver=") and option != "native.cgroupdriver=systemd":
            found["exec-opts"] = f"{option}: the kubelet's cgroup driver is systemd, and both must be the same"
    return found


def _hint(key: str) -> str | None:
    variable = {**OWN_VARIABLE, **LOG_OPTS}.get(key)
    return f"set {variable}" if variable else None


def _is_limit(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"soft", "hard"}:
        return False
    numbers = list(value.values())
    return all(type(number) is int for number in numbers) and value["soft"] <= value["hard"]
