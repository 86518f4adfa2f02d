#!/usr/bin/python
"""kprov_kernel: kernel modules, settings and swap, now and after a boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_kernel
short_description: Load kernel modules, apply and read back settings, switch swap off
description:
  - A module that cannot be loaded is fine when what it brings is there all the same, as in a container or a kernel
    without modules.
  - Each setting is written alone and read back. Essential ones that the kernel refuses are an error, all of them in
    one message; others are reported in C(not_set) and as warnings. What a setting was before is recorded, and comes
    back when nobody wants the setting any more, if nobody else has changed it.
  - Settings that a file read after kprov's own (C(file)) sets to something else are reported in C(overridden) and as
    warnings.
options:
  phase: {description: Phase that owns the settings., type: str, required: true}
  modules: {description: Kernel modules that must be there., type: list, elements: str, default: []}
  known:
    description: >-
      Setting to C(value), C(rule) (exact, at_least: a number that is raised and never lowered, includes: a list of
      ports that is extended), C(essential) and C(why).
    type: dict
    default: {}
  sysctl:
    description: Setting to value, in place of what C(known) says; null leaves it alone. Others are exact and essential.
    type: dict
    default: {}
  file: {description: The file in /etc/sysctl.d that sets them at boot; none without., type: path}
  swap:
    description: C(off) switches swap off, makes its lines in /etc/fstab comments, masks swap.target.
    type: str
    choices: ["off", keep]
    default: keep
author: kprov
"""

import os
import stat

from ansible.module_utils import kprov_fs, kprov_swap, kprov_sysctl, kprov_sysctl_files
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_module import command_runner, finish, locked
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord, file_entry, keep_original, owned_files
from ansible.module_utils.kprov_sysctl import Setting

FILE_MODE = 0o644
# What a module brings: if it is there, the module is not missed.
FEATURES = {
    "br_netfilter": "/proc/sys/net/bridge",
    "nf_conntrack": "/proc/sys/net/netfilter",
}


class KernelError(Exception):
    """The kernel is not as wanted; the message is for the user."""


class Kernel:
    """The running kernel. run(argv) -> (exit code, output)."""

    def __init__(self, run) -> None:
        self.run = run

    def has(self, module: str) -> bool:
        """Whether a module is loaded or built in, or what it brings is there."""
        name = module.replace("-", "_")
        feature = FEATURES.get(name)
        return (
            os.path.isdir(real(f"/sys/module/{name}"))
            or (feature is not None and os.path.isdir(real(feature)))
            or name in _words("/proc/filesystems")
            or self._built_in(name)
        )

    def load(self, module: str) -> None:
        """Load a module."""
        try:
            code, output = self.run(["modprobe", "--", module])
        except OSError as error:
            raise KernelError(f"module {module}: cannot run modprobe: {error.strerror}") from error
        if code != 0 and not self.has(module):
            raise KernelError(f"module {module}: {output.strip() or f'modprobe exited with {code}'}")

    def _built_in(self, name: str) -> bool:
        path = real(f"/lib/modules/{os.uname().release}/modules.builtin")
        try:
            with open(path, encoding="utf-8") as file:
                return any(os.path.basename(line.strip()).replace("-", "_") == f"{name}.ko" for line in file)
        except OSError:
            return False


def _words(path: str) -> list[str]:
    try:
        with open(real(path), encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def apply(parameters: dict, kernel: Kernel, check_mode: bool = False) -> dict:
    """Bring the kernel to the wanted state; the module's result. Call it under node_lock."""
    record = PhaseRecord.open(parameters["phase"], check_mode, part="kprov_kernel")
    # What this module reports now takes the place of what it reported before a kill: carry on what is kprov's.
    record.replace(files=record.earlier_files(), links=record.earlier("links"))
    changes, errors = _modules(parameters["modules"], kernel, check_mode)
    wanted = kprov_sysctl.merge(parameters["known"], parameters["sysctl"])
    values = {setting.key: setting.joined_with(kprov_sysctl.read(setting.key)) for setting in wanted}
    changes += _settings_record(record, wanted, values, check_mode)
    if parameters["file"]:
        text = kprov_sysctl_files.text(wanted, values) if wanted else ""
        changes += _file(record, parameters["file"], text, check_mode)
    settings, refused = _set(wanted, values, check_mode)
    changes += settings
    errors += [reason for key, reason in refused.items() if _essential(wanted, key)]
    try:
        if parameters["swap"] == "off":
            changes += kprov_swap.switch_off(record, kernel.run, check_mode)
        else:
            changes += kprov_swap.leave_alone(record, check_mode)
    except kprov_swap.SwapError as error:
        errors.append(str(error))
    if errors:
        raise KernelError("the kernel refused:\n" + "\n".join(f"  {error}" for error in errors))
    not_set = {key: reason for key, reason in refused.items() if not _essential(wanted, key)}
    record.add("sysctl_not_set", not_set)
    overridden = kprov_sysctl_files.overrides(wanted, parameters["file"]) if parameters["file"] else []
    return {
        "changed": bool(changes),
        "changes": changes,
        "not_set": not_set,
        "overridden": overridden,
        "warnings": [*_not_set_warnings(not_set), *(_overridden_warning(item) for item in overridden)],
    }


def _modules(names: list[str], kernel: Kernel, check_mode: bool) -> tuple[list[str], list[str]]:
    """What was (would be) loaded, and what cannot be."""
    changes, errors = [], []
    for module in names:
        if kernel.has(module):
            continue
        changes.append(f"load {module}")
        if not check_mode:
            try:
                kernel.load(module)
            except KernelError as error:
                errors.append(str(error))
    return changes, errors


def _settings_record(record: PhaseRecord, wanted: list[Setting], values: dict[str, str], check_mode: bool) -> list[str]:
    """Record what is wanted and what was there before; give back what nobody wants any more. Says what that changes."""
    earlier = {key: entry for key, entry in record.earlier("sysctl").items() if isinstance(entry, dict)}
    entries = {}
    for setting in wanted:
        live = kprov_sysctl.read(setting.key)
        entry = setting.entry()
        known = earlier.get(setting.key, {})
        if "before" in known:
            entry.update(before=known["before"], set=values[setting.key])
        elif live is not None and not setting.satisfied_by(live):
            entry.update(before=live, set=values[setting.key])
        entries[setting.key] = entry
    changes = []
    for key, entry in sorted(earlier.items()):
        live = kprov_sysctl.read(key)
        if key in entries or "before" not in entry or live != entry.get("set") or live == entry["before"]:
            continue
        changes.append(f"{key}: {live} -> {entry['before']} (no longer wanted)")
        if not check_mode:
            kprov_sysctl.write(Setting(key, entry["before"]), entry["before"])
    record.add("sysctl", entries)
    return changes


def _file(record: PhaseRecord, path: str, text: str, check_mode: bool) -> list[str]:
    """Write the file that holds after a boot; without a setting there is none."""
    owned = path in record.earlier_files() or path in owned_files()
    try:
        with open(real(path), encoding="utf-8", errors="surrogateescape") as file:
            now = file.read()
    except FileNotFoundError:
        now = ""
    if not text:
        if now and owned and not check_mode:
            kprov_fs.remove(real(path))
        record.replace(files={})
        return [f"remove {path}"] if now and owned else []
    entry = {"sha256": kprov_fs.sha256_bytes(text.encode()), "stat": None, "mode": f"{FILE_MODE:04o}"}
    opened = now == text and stat.S_IMODE(os.stat(real(path)).st_mode) != FILE_MODE
    if now != text:
        if check_mode:
            return [path]
        if not owned:
            keep_original(path)
        record.add_files({path: entry})
        kprov_fs.make_directories(os.path.dirname(real(path)))
        kprov_fs.atomic_write(real(path), text.encode(), FILE_MODE)
    elif opened and not check_mode:  # only then: a chmod changes the time that the record holds
        os.chmod(real(path), FILE_MODE)
    if not check_mode:
        record.add_files({path: file_entry(path, FILE_MODE, entry["sha256"])})
    return [path] if now != text or opened else []


def _set(wanted: list[Setting], values: dict[str, str], check_mode: bool) -> tuple[list[str], dict[str, str]]:
    """What was (would be) set, and key to the reason for what cannot be."""
    changes, refused = [], {}
    for setting in wanted:
        key, value, live = setting.key, values[setting.key], kprov_sysctl.read(setting.key)
        if setting.satisfied_by(live):
            continue
        if live is None:
            refused[key] = f"{key} = {value}: {kprov_sysctl.ABSENT}"
            continue
        if not check_mode:
            reason = kprov_sysctl.write(setting, value)
            if reason:
                refused[key] = f"{key} = {value}: {reason}"
                continue
        changes.append(f"{key}: {live} -> {value}")
    return changes, refused


def _essential(wanted: list[Setting], key: str) -> bool:
    return next(setting.essential for setting in wanted if setting.key == key)


def _not_set_warnings(not_set: dict[str, str]) -> list[str]:
    if not not_set:
        return []
    listed = "; ".join(not_set.values())
    return [f"not set, and the node works without: {listed}. `os_sysctl: {{KEY: null}}` leaves a key alone"]


def _overridden_warning(item: dict[str, str]) -> str:
    return (
        f"{item['file']} sets {item['key']} = {item['value']} and is read after kprov's file: at the next boot that "
        f"value comes back, not {item['wanted']}. Remove the line there, or set os_sysctl to the value you want"
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "modules": {"type": "list", "elements": "str", "default": []},
            "known": {"type": "dict", "default": {}},
            "sysctl": {"type": "dict", "default": {}},
            "file": {"type": "path"},
            "swap": {"type": "str", "choices": ["off", "keep"], "default": "keep"},
        },
        supports_check_mode=True,
    )

    with locked(module, KernelError):
        result = apply(module.params, Kernel(command_runner(module)), module.check_mode)
    finish(module, result)


if __name__ == "__main__":
    main()
