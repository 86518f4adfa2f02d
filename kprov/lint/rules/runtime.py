"""Kubelet and container runtime: whether it answers, cgroups and logs."""

from __future__ import annotations

from kprov.lint.record import Facts, View
from kprov.lint.rule import Rule, Word
from kprov.reserve.quantity import quantity

# Of nodefs: what the kubelet keeps free by default (nodefs.available 10%). Logs of one container that may take more
# lead from a healthy node to evictions without any other pod doing anything.
MOST_OF_DISK = 10


def _responds(view: View, facts: Facts) -> Word | None:
    if not view.sockets:
        return None
    silent = [f"{path} {why}" for path, why in view.sockets.items() if why]
    if not silent:
        return Word("answers")
    return Word("silent", f"the container runtime hangs: {'; '.join(silent)}", fatal=True)


def _driver(view: View, facts: Facts) -> Word | None:
    kubelet = view.kubelet.get("cgroupDriver") if view.kubelet else None
    runtime = view.runtime.cgroup_driver if view.runtime else None
    if kubelet is None and runtime is None:
        return None
    text = f"kubelet {kubelet or '?'}, {view.runtime.name if view.runtime else 'runtime'} {runtime or '?'}"
    differ = kubelet is not None and runtime is not None and kubelet != runtime
    return Word(text, "two managers of the same cgroups: limits of pods do not hold" if differ else None, fatal=True)


def _logs(view: View, facts: Facts) -> Word | None:
    if view.runtime and view.runtime.name == "docker":
        return _docker_logs(view.runtime.log_driver, view.runtime.rotates)
    if view.kubelet is None:
        return None
    size, files = view.kubelet.get("containerLogMaxSize"), view.kubelet.get("containerLogMaxFiles")
    text, number = f"{files} x {size}", quantity(size)
    if number is None or number <= 0:
        return Word(text, "containers' logs are not rotated and grow until the disk is full")
    disk = facts.capacity.ephemeral_storage if facts.capacity else 0
    if disk and number * files * 100 > disk * MOST_OF_DISK:
        return Word(text, f"the logs of one container may take more than {MOST_OF_DISK} % of the disk")
    return Word(text)


def _docker_logs(driver: str | None, rotates: bool | None) -> Word | None:
    if driver is None:
        return None
    text = driver + ("" if rotates is None else ", limited" if rotates else ", without a limit")
    if driver != "json-file":
        return Word(text, f"`kubectl logs` cannot read what the log driver {driver} writes")
    return Word(
        text, "containers' logs grow until the disk is full: log-opts has no max-size" if rotates is False else None
    )


RULES = (
    Rule(
        "runtime-responds",
        _responds,
        "its unit's journal, then `systemctl restart containerd` (docker, cri-docker): containers go on",
        kubelet=False,
    ),
    Rule("cgroup-driver", _driver, "systemd in both: `kprov up`, then drain and reboot the node", in_plan=True),
    Rule(
        "container-logs",
        _logs,
        "kubelet_container_log_max_size: 10Mi; with Docker container_runtime_docker_log_max_size",
        in_plan=True,
    ),
)
