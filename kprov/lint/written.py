"""What the files on a node say, once the daemons read them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import yaml

from kprov.content import module_util
from kprov.lint.fields import UNSET, Path, leaves
from kprov.lint.record import Config, Runtime

# systemd.time(7), the units that somebody would use for a shutdown.
SECONDS: Mapping[str, int | Fraction] = {
    "": 1,
    "s": 1,
    "sec": 1,
    "second": 1,
    "seconds": 1,
    "ms": Fraction(1, 1000),
    "m": 60,
    "min": 60,
    "h": 3600,
}
CGROUPS = "native.cgroupdriver="


def kubelet(files: Iterable[tuple[str, str]]) -> tuple[Config | None, dict[Path, str], dict[str, str]]:
    """The configuration, which file has the last word on each value, and files that nobody can read, with the reason.

    files: (path, text), the first one --config, the others of --config-dir. Merged as in k8s.io/kubernetes v1.36.4,
    cmd/kubelet/app/server.go: thresholds that the first file leaves out are the default's (all, or with
    mergeDefaultEvictionSettings each); the others are JSON merge patches (RFC 7386), so null removes a value.
    """
    fields: dict[str, Any] = {}
    origins: dict[Path, str] = {}
    damaged: dict[str, str] = {}
    known = False
    for number, (path, text) in enumerate(files):
        try:
            patch = yaml.safe_load(text)
        except yaml.YAMLError as error:
            damaged[path] = " ".join(str(error).split())
            continue
        if not isinstance(patch, Mapping):
            damaged[path] = "there is no object in it"
            continue
        known = True
        if number == 0:
            patch = _with_default_thresholds({name: value for name, value in patch.items() if value not in UNSET})
        origins.update((leaf, path) for leaf, _ in leaves(patch))
        fields = patched(fields, patch)
    return (Config(fields) if known else None), origins, damaged


def _with_default_thresholds(fields: dict[str, Any]) -> dict[str, Any]:
    default = default_thresholds()
    hard = fields.get("evictionHard")
    if hard is None:
        return {**fields, "evictionHard": default}
    return {**fields, "evictionHard": {**default, **hard}} if fields.get("mergeDefaultEvictionSettings") else fields


def default_thresholds() -> dict[str, str]:
    """The kubelet's own: kprov's without the one on processes."""
    ours: dict[str, str] = module_util("kprov_reserve").EVICTION_HARD
    return {signal: value for signal, value in ours.items() if signal != "pid.available"}


def patched(target: Any, patch: Any) -> Any:
    """JSON merge patch."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


def runtime(name: str, text: str | None) -> Runtime | None:
    """From /etc/containerd/config.toml (versions 2 and 3) or /etc/docker/daemon.json; None if that cannot be read."""
    if text is None:
        return None
    try:
        return _docker(json.loads(text)) if name == "docker" else _containerd(tomllib.loads(text))
    except (ValueError, AttributeError, TypeError):
        return None


def _docker(daemon: Mapping[str, Any]) -> Runtime:
    drivers = [word.removeprefix(CGROUPS) for word in daemon.get("exec-opts", ()) if word.startswith(CGROUPS)]
    log_driver = daemon.get("log-driver", "json-file")
    # `local` rotates by itself (docs.docker.com/engine/logging/drivers/local).
    rotates = log_driver != "json-file" or "max-size" in daemon.get("log-opts", {})
    return Runtime("docker", drivers[-1] if drivers else None, log_driver, rotates)


def _containerd(config: Mapping[str, Any]) -> Runtime:
    plugins = config.get("plugins", {})
    for plugin in ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"):
        options = plugins.get(plugin, {}).get("containerd", {}).get("runtimes", {}).get("runc", {}).get("options", {})
        if "SystemdCgroup" in options:
            return Runtime("containerd", "systemd" if options["SystemdCgroup"] else "cgroupfs")
    return Runtime("containerd")


def timespan(text: str | None) -> float | None:
    """Seconds of a systemd time span such as 60, 1min 30s or infinity; None if it is none."""
    if text is None or not text.strip():
        return None
    if text.strip() == "infinity":
        return float("inf")
    parts = re.findall(r"(\d+)\s*([a-z]*)", text)
    if re.sub(r"\d+\s*[a-z]*|\s", "", text) or any(unit not in SECONDS for _, unit in parts):
        return None
    return float(sum(int(number) * SECONDS[unit] for number, unit in parts))
