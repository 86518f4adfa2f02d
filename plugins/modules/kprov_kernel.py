#!/usr/bin/python
"""kprov_kernel: the running kernel as the role's files say it will be after a boot; swap."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_kernel
short_description: Load kernel modules, apply and read back settings, switch swap off
description:
  - Writes no file but /etc/fstab (with C(swap=off)); what holds after a boot is written by M(kprov_files).
  - A module that cannot be loaded is fine when what it brings is there all the same, as in a container or a kernel
    without modules. Each setting is written alone and read back; all that fail are reported together.
options:
  phase: {description: Phase that owns the settings., type: str, required: true}
  modules: {description: Kernel modules that must be there., type: list, elements: str, default: []}
  sysctl: {description: "Setting to value.", type: dict, default: {}}
  at_least: {description: "Settings that are raised, never lowered.", type: list, elements: str, default: []}
  swap:
    description: C(off) switches all swap off and takes it out of /etc/fstab; the lines stay as comments.
    type: str
    choices: ["off", keep]
    default: keep
author: kprov
"""

import os
import stat

from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord, keep_original

FSTAB = "/etc/fstab"
MARK = "# kprov: swap is off. "
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
        self._run = run

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
            code, output = self._run(["modprobe", "--", module])
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

    def swap_off(self) -> None:
        """Stop using all swap."""
        code, output = self._run(["swapoff", "--all"])
        if code != 0 or swaps():
            raise KernelError(f"swap cannot be switched off: {output.strip() or ', '.join(swaps()) + ' stays'}")


def _words(path: str) -> list[str]:
    try:
        with open(real(path), encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def swaps() -> list[str]:
    """Swap areas in use."""
    try:
        with open(real("/proc/swaps"), encoding="utf-8") as file:
            return [line.split()[0] for line in file.read().splitlines()[1:]]
    except OSError:
        return []


def setting_path(key: str) -> str:
    """The file of a setting. Like sysctl(8): the first separator rules, so net/ipv4/conf/eth0.1/rp_filter works."""
    if "/" in key and ("." not in key or key.index("/") < key.index(".")):
        return real(f"/proc/sys/{key}")
    return real("/proc/sys/" + key.translate(str.maketrans("./", "/.")))


def read(key: str) -> str | None:
    """The live value, white space normalised; None if the kernel has no such setting or does not show it."""
    try:
        with open(setting_path(key), encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError:
        return None


def write(key: str, value: str) -> str | None:
    """Write a value and read it back. The reason if it did not hold."""
    try:
        with open(setting_path(key), "w", encoding="utf-8") as file:
            file.write(value + "\n")
    except FileNotFoundError:
        return "this kernel has no such setting"
    except OSError as error:
        return f"refused: {error.strerror}"
    live = read(key)
    return None if live == value else f"written, but it is {live}"


def normal(value: object) -> str:
    """A value as the kernel prints it."""
    return str(int(value)) if isinstance(value, bool) else " ".join(str(value).split())


def high_enough(live: str | None, value: str) -> bool:
    """Whether a setting that is only raised can stay as it is."""
    try:
        return live is not None and int(live) >= int(value)
    except ValueError:
        return False


def without_swap(text: str) -> str:
    """fstab with its lines of type swap as comments."""
    lines = []
    for line in text.splitlines(keepends=True):
        fields = line.split()
        is_swap = len(fields) > 2 and not line.lstrip().startswith("#") and fields[2] == "swap"
        lines.append(MARK + line if is_swap else line)
    return "".join(lines)


def apply(parameters: dict, kernel: Kernel, check_mode: bool = False) -> dict:
    """Bring the kernel to the wanted state; the module's result. Call it under node_lock."""
    record = PhaseRecord.open(parameters["phase"], check_mode, part="kprov_kernel")
    wanted = {key: normal(value) for key, value in parameters["sysctl"].items()}
    changes, errors = [], []
    for module in parameters["modules"]:
        if kernel.has(module):
            continue
        changes.append(f"load {module}")
        if not check_mode:
            try:
                kernel.load(module)
            except KernelError as error:
                errors.append(str(error))
    settings, refused = _settings(wanted, set(parameters["at_least"]), check_mode)
    changes += settings
    errors += refused
    if parameters["swap"] == "off":
        changes += _swap(kernel, check_mode)
    if errors:
        raise KernelError("the kernel refused:\n" + "\n".join(f"  {error}" for error in errors))
    # The live values: higher than wanted is fine for at_least, and a later probe compares with what the phase left.
    record.add("sysctl", {key: read(key) for key in wanted})
    return {"changed": bool(changes), "changes": changes}


def _settings(wanted: dict[str, str], at_least: set[str], check_mode: bool) -> tuple[list[str], list[str]]:
    """What was (would be) set, and what cannot be."""
    changes, errors = [], []
    for key, value in sorted(wanted.items()):
        live = read(key)
        if live == value or (key in at_least and high_enough(live, value)):
            continue
        if check_mode:
            changes.append(f"{key}: {live} -> {value}")
            continue
        reason = write(key, value)
        if reason:
            errors.append(f"{key} = {value}: {reason}")
        else:
            changes.append(f"{key}: {live} -> {value}")
    return changes, errors


def _swap(kernel: Kernel, check_mode: bool) -> list[str]:
    changes = []
    if swaps():
        changes.append("swap off: " + ", ".join(swaps()))
        if not check_mode:
            kernel.swap_off()
    try:
        with open(real(FSTAB), encoding="utf-8", errors="surrogateescape") as file:
            before = file.read()
    except FileNotFoundError:
        return changes
    after = without_swap(before)
    if after != before:
        changes.append(FSTAB)
        if not check_mode:
            keep_original(FSTAB)
            mode = stat.S_IMODE(os.stat(real(FSTAB)).st_mode)
            kprov_fs.atomic_write(real(FSTAB), after.encode(errors="surrogateescape"), mode)
    return changes


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "modules": {"type": "list", "elements": "str", "default": []},
            "sysctl": {"type": "dict", "default": {}},
            "at_least": {"type": "list", "elements": "str", "default": []},
            "swap": {"type": "str", "choices": ["off", "keep"], "default": "keep"},
        },
        supports_check_mode=True,
    )

    def run(argv: list[str]) -> tuple[int, str]:
        code, output, errors = module.run_command(argv, handle_exceptions=False)
        return code, output + errors

    try:
        with node_lock(check_mode=module.check_mode):
            result = apply(module.params, Kernel(run), module.check_mode)
    except (KernelError, LockTimeout) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
