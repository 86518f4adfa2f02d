#!/usr/bin/python
"""kprov_docker_daemon: Docker's daemon.json merged and the engine run on it; if that fails, the old file is back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_docker_daemon
short_description: Merge settings into Docker's daemon.json and run Docker Engine on them
description:
  - Three-way merge of what kprov wrote last, what is there and what is wanted. Settings that kprov does not name
    survive; one that it names gets kprov's value, with a warning if somebody else had set another.
  - Nothing is changed if the file is not valid JSON, dockerd does not accept the result with the flags of its unit, or
    images and containers would be out of sight (data-root, storage-driver).
  - If the engine does not start on the new file, the previous one is put back and the engine started on that.
  - At the end the values are read back from the engine.
options:
  phase: {description: Phase that owns the settings., type: str, required: true}
  config: {description: "Content of daemon.json, without what is left to others.", type: dict, required: true}
  restart_on: {description: More files that the engine must have read., type: list, elements: path, default: []}
  deadline: {description: Seconds that the engine may take to start., type: int, default: 90}
author: kprov
"""

import os
import re
import shlex
import subprocess
import tempfile

from ansible.module_utils import kprov_fs, kprov_systemd
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_docker_api import API, FIRST_ENGINE, Docker, DockerError
from ansible.module_utils.kprov_docker_config import ConfigError, Merged, merge, parse, render
from ansible.module_utils.kprov_module import finish, locked
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import (
    PhaseRecord,
    file_entry,
    keep_original,
    make_state_directory,
    owned_files,
)
from ansible.module_utils.kprov_systemd import UnitError

PART = "kprov_docker_daemon"
UNIT = "docker.service"
FILE = "/etc/docker/daemon.json"
# What kprov wrote (newest first), and the file that the engine last ran on while another one is being tried.
APPLIED = STATE + "/docker/applied.json"
PREVIOUS = STATE + "/docker/previous.json"
MODE = 0o644
REMEMBERED = 2
VALIDATION_DEADLINE = 30


class DaemonError(Exception):
    """Docker Engine cannot be had as wanted; the message is for the user."""


class Unit:
    """docker.service as systemd will start it the next time."""

    def __init__(self) -> None:
        names = (
            "LoadState",
            "ActiveState",
            "ExecStart",
            "Environment",
            "EnvironmentFiles",
            "FragmentPath",
            "DropInPaths",
        )
        shown = kprov_systemd.systemctl("show", "--property=" + ",".join(names), "--", UNIT)
        self._shown = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if self._shown.get("LoadState") != "loaded":
            raise DaemonError(f"there is no {UNIT}: install Docker Engine {FIRST_ENGINE} or newer on the node")
        self.command = command_line(self._shown["ExecStart"], self._environment())
        self.active = self._shown["ActiveState"] == "active"
        self.files = [self._shown["FragmentPath"], *self._shown["DropInPaths"].split(), *self._environment_files()]

    @staticmethod
    def exists() -> bool:
        """Whether systemd knows the unit: in check mode the package may not be installed yet."""
        return "=loaded" in kprov_systemd.systemctl("show", "--property=LoadState", "--", UNIT)

    def _environment(self) -> dict[str, str]:
        found = dict(word.split("=", 1) for word in shlex.split(self._shown.get("Environment", "")) if "=" in word)
        for path in self._environment_files():
            try:
                with open(real(path), encoding="utf-8", errors="replace") as file:
                    found.update(assignments(file.read()))
            except OSError:
                continue
        return found

    def _environment_files(self) -> list[str]:
        return re.findall(r"(/\S+) \(ignore_errors=", self._shown.get("EnvironmentFiles", ""))


def command_line(exec_start: str, environment: dict[str, str]) -> list[str]:
    """The words of a unit's ExecStart as `systemctl show` prints it, variables filled in."""
    found = re.search(r"argv\[\]=(.*?) ; ignore_errors=", exec_start)
    if found is None:
        raise DaemonError(f"{UNIT} has no ExecStart that kprov can read: {exec_start}")
    words: list[str] = []
    for word in shlex.split(found.group(1)):
        if re.fullmatch(r"\$\w+", word):  # alone it becomes as many words as it has
            words += shlex.split(environment.get(word[1:], ""))
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda name: environment.get(name.group(1), ""), word))
    return words


def assignments(text: str) -> dict[str, str]:
    """NAME=VALUE lines of an EnvironmentFile."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            found[name] = value.strip().strip("\"'") if value[:1] in "\"'" else value
    return found


def check_data(config: dict, unit: Unit) -> None:
    """DaemonError if another data-root or storage driver would put what the engine has out of sight."""
    if not unit.active:
        return
    info = Docker().info()
    if not info.get("Images") and not info.get("Containers"):
        return
    has = f"{info['Images']} images and {info['Containers']} containers"
    in_flags = any(re.match(r"--data-root\b|--graph\b|-g", word) for word in unit.command[1:])
    places = {
        # Without a setting it is where it always was; a storage driver is then the one that has been used before.
        "data-root": (
            config.get("data-root", None if in_flags else "/var/lib/docker"),
            info.get("DockerRootDir"),
            "container_runtime_root",
        ),
        "storage-driver": (config.get("storage-driver"), info.get("Driver"), "container_runtime_docker_storage_driver"),
    }
    for key, (wanted, now, variable) in places.items():
        if wanted and os.path.normpath(str(wanted)) != os.path.normpath(str(now)):
            way = "`kprov runtime-root migrate`" if key == "data-root" else "remove what Docker has"
            raise DaemonError(
                f"{key} is {now} and would become {wanted}: Docker's {has} would be out of its sight. Nothing was"
                f" changed. Set {variable}: {now}, or {way}"
            )


def validate(text: str, unit: Unit) -> None:
    """Ask dockerd itself, with the flags of its unit: it refuses what is set in both places."""
    with tempfile.TemporaryDirectory(prefix="kprov-", dir=real("/run")) as directory:  # 0700
        copy = os.path.join(directory, "daemon.json")
        kprov_fs.atomic_write(copy, text.encode(), 0o600)
        try:
            _output([*unit.command, "--validate", f"--config-file={copy}"])
        except DaemonError as error:
            message = str(error).replace(copy, FILE)
            where = f". The unit's flags come from {', '.join(unit.files)}" if "as a flag" in message else ""
            raise DaemonError(f"{FILE} would not be valid, nothing was changed. {message}{where}") from error


def read_live() -> tuple[str | None, dict]:
    """Text of daemon.json (None: there is none) and what it says. Raises ConfigError."""
    try:
        with open(real(FILE), encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        return None, {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{FILE} is not UTF-8: {error}") from error
    return text, parse(text, FILE)


def write(text: str, applied: list[dict], record: PhaseRecord) -> None:
    """Put the new file in place. A kill at any point leaves the old file or the new one, and the old one is kept."""
    make_state_directory(os.path.dirname(PREVIOUS))
    if not os.path.exists(real(PREVIOUS)):  # else the file that is there has never been good
        old = None
        if os.path.exists(real(FILE)):
            with open(real(FILE), encoding="utf-8-sig") as file:
                old = file.read()
        kprov_fs.write_json(real(PREVIOUS), {"text": old})
    kprov_fs.write_json(real(APPLIED), {"applied": applied})
    if FILE not in owned_files():
        keep_original(FILE)
    entry = {"sha256": kprov_fs.sha256_bytes(text.encode()), "stat": None, "mode": f"{MODE:04o}"}
    record.add_files({FILE: entry})
    kprov_fs.make_directories(os.path.dirname(real(FILE)))
    kprov_fs.atomic_write(real(FILE), text.encode(), MODE)


def roll_back(unit: dict, deadline: float) -> str:
    """Put the previous file back and start the engine on it; in words, what came of it."""
    before = kprov_fs.read_json(real(PREVIOUS))
    if before is None:
        return f"{FILE} was not changed by kprov since the engine last ran on it."
    if before["text"] is None:
        kprov_fs.remove(real(FILE))
    else:
        kprov_fs.atomic_write(real(FILE), before["text"].encode(), MODE)
    try:
        _forget_earlier_starts()
        kprov_systemd.systemctl("restart", "--", UNIT, timeout=deadline)
        kprov_systemd.wait_until_good(unit, deadline)
    except UnitError as error:
        return f"The previous {FILE} is back, but the engine does not start on it either: {error}"
    kprov_fs.remove(real(PREVIOUS))
    return f"The previous {FILE} is back and the engine runs on it."


def read_back(config: dict) -> list[str]:
    """Settings that the running engine does not have, in words."""
    docker = Docker()
    api = docker.version()["ApiVersion"]
    if [int(part) for part in api.split(".")] < [int(part) for part in API.split(".")]:
        raise DaemonError(f"Docker Engine speaks API {api}, and cri-dockerd needs {API}")
    info = docker.info()
    registries = info.get("RegistryConfig") or {}
    # The engine shows mirrors with a slash at the end.
    mirrors = [str(mirror).rstrip("/") for mirror in registries.get("Mirrors") or ()]
    plain = {name for name, entry in (registries.get("IndexConfigs") or {}).items() if not entry.get("Secure")}
    plain |= set(registries.get("InsecureRegistryCIDRs") or ())
    driver = dict(option.split("=", 1) for option in config.get("exec-opts", ()) if "=" in option)
    shown = {
        "exec-opts.native.cgroupdriver": (driver.get("native.cgroupdriver"), info.get("CgroupDriver")),
        "log-driver": (config.get("log-driver"), info.get("LoggingDriver")),
        "storage-driver": (config.get("storage-driver"), info.get("Driver")),
        "data-root": (config.get("data-root"), info.get("DockerRootDir")),
        "live-restore": (config.get("live-restore"), info.get("LiveRestoreEnabled")),
        "default-runtime": (config.get("default-runtime"), info.get("DefaultRuntime")),
        "registry-mirrors": ([str(m).rstrip("/") for m in config["registry-mirrors"]], mirrors)
        if "registry-mirrors" in config
        else (None, None),
    }
    wrong = [
        f"{key} is {now!r}, not {want!r}" for key, (want, now) in shown.items() if want is not None and now != want
    ]
    missing = [name for name in config.get("insecure-registries", ()) if name not in plain]
    return wrong + ([f"insecure-registries lacks {', '.join(missing)}"] if missing else [])


def apply(params: dict, check_mode: bool = False) -> dict:
    """Merge, check, write, restart, read back; the module's result. Call it under node_lock."""
    if check_mode and not Unit.exists():
        return {"changed": True, "changes": [f"start {UNIT}"], "warnings": [], "diff": []}
    unit = Unit()
    text, live = read_live()
    applied = list((kprov_fs.read_json(real(APPLIED)) or {}).get("applied") or [])
    merged = merge(applied, live, params["config"])
    check_data(merged.config, unit)
    new = render(merged.config) if merged.changes else text or ""
    if merged.changes:
        validate(new, unit)
    record = PhaseRecord.open(params["phase"], check_mode, part=PART)
    service = {
        "name": UNIT,
        "state": "started",
        "enabled": True,
        "start_if": None,
        "restart_on": [FILE, *params["restart_on"]],
        "ready": [],
    }
    remembered = [params["config"], *(config for config in applied if config != params["config"])][:REMEMBERED]
    if not check_mode:
        if merged.changes:
            write(new, remembered, record)
        elif applied[:1] != [params["config"]]:
            make_state_directory(os.path.dirname(APPLIED))
            kprov_fs.write_json(real(APPLIED), {"applied": remembered})
        if os.path.exists(real(FILE)):
            record.add_files({FILE: file_entry(FILE, MODE)})
    units = _run(params, service, merged, check_mode)
    changes = [*(str(change) for change in merged.changes), *units["changes"]]
    return {
        "changed": bool(changes),
        "changes": changes,
        "warnings": _warnings(merged),
        "diff": [{"before_header": FILE, "after_header": FILE, "before": text or "", "after": new}],
    }


def _run(params: dict, service: dict, merged: Merged, check_mode: bool) -> dict:
    """The engine on its file, its values read back. Rolls back; raises DaemonError."""
    if merged.changes and not check_mode:
        _forget_earlier_starts()
    try:
        done = kprov_systemd.apply(params["phase"], [service], params["deadline"], check_mode, part=PART)
    except UnitError as error:
        tried = "; ".join(str(change) for change in merged.changes) or "none"
        back = roll_back(service, params["deadline"])
        raise DaemonError(f"Docker Engine did not start. Changes tried: {tried}.\n{back}\n{error}") from error
    if check_mode:
        if merged.changes and not any(UNIT in change for change in done["changes"]):
            done["changes"].append(f"restart {UNIT}")
        return done
    kprov_fs.remove(real(PREVIOUS))
    wrong = read_back(params["config"])
    if wrong:
        raise DaemonError(f"Docker Engine runs, but not with the settings of {FILE}: {'; '.join(wrong)}")
    return done


def _forget_earlier_starts() -> None:
    """The next start is not one of "too many": Docker's unit allows three a minute. A unit that never ran has none."""
    kprov_systemd.run(["systemctl", "reset-failed", "--", UNIT], 30)


def _warnings(merged: Merged) -> list[str]:
    won = [f"{FILE} had another value for {change}" for change in merged.changes if change.foreign]
    return won + [f"{FILE}: {key} is no longer kprov's, but somebody changed it: left as it is" for key in merged.kept]


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VALIDATION_DEADLINE,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise DaemonError(f"no answer within {VALIDATION_DEADLINE} s from {' '.join(command)}") from None
    except OSError as error:
        raise DaemonError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise DaemonError(f"{os.path.basename(command[0])} said: {done.stdout.strip()}")
    return done.stdout


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "config": {"type": "dict", "required": True},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "deadline": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    with locked(module, DaemonError, ConfigError, DockerError, UnitError):
        result = apply(module.params, module.check_mode)
    finish(module, result)


if __name__ == "__main__":
    main()
