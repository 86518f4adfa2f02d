#!/usr/bin/python
"""kprov_files, on the node: bring a set of files, and units that run on them, to the wanted state, all in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_files
short_description: Write a role's files, prune those it wrote before and no longer has, run units on them
description:
  - Called through the action plugin of the same name, from a role. Renders C(templates/), whose paths mirror the node
    (C(.j2) is dropped, C(templates/manifests/) left out), and writes what differs. A file that renders to white space
    only is absent. Files belong to root.
  - What a file was before kprov replaced it is kept in /var/lib/kprov/originals. Files that the phase wrote earlier and
    no longer has are removed unless somebody changed them.
options:
  phase: {description: Phase that owns the files., type: str, required: true}
  modes: {description: "Path to mode, in quotes.", type: dict, default: {}}
  validate: {description: "Path to command with %s, the file to check before it lands.", type: dict, default: {}}
  each:
    description: Templates that are rendered once per entry of a dictionary; they see C(item.key) and C(item.value).
    type: list
    elements: dict
    default: []
    suboptions:
      template: {description: Name below templates/., type: str, required: true}
      items: {description: The dictionary., type: dict, required: true}
      path: {description: "Path on the node; {key} stands for the key.", type: str, required: true}
  copies: {description: "Directory to one of kprov's own, whose Python files are copied.", type: dict, default: {}}
  module_utils:
    description: "Directory to one of kprov's module_utils, which is copied there with all that it imports."
    type: dict
    default: {}
  units:
    description: "Units that run on the files: as for kprov_units, in the same call."
    type: list
    elements: dict
    default: []
  files: {description: Set by the action plugin., type: str}
  record: {description: "The phase ends with this call: cluster and fingerprints for its record.", type: dict}
author: kprov
"""

import base64
import json
import os
import shutil
import stat
import subprocess
import tempfile
import zlib

from ansible.module_utils import kprov_fs, kprov_systemd
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_module import RECORD, end_phase, finish, locked
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord, file_entry, keep_original, owned_files

VALIDATION_DEADLINE = 60


class FilesError(Exception):
    """The files cannot be written; the message is for the user."""


class Current:
    """What is at a path on the node now."""

    def __init__(self, path: str) -> None:
        self.path = real(path)
        try:
            self._status = os.lstat(self.path)
        except FileNotFoundError:
            self._status = None
        if self._status and stat.S_ISDIR(self._status.st_mode):
            raise FilesError(f"{path} is a directory; kprov wants to write a file there")

    @property
    def content(self) -> bytes | None:
        """Content of a regular file; None if there is none (a link counts as none: it is replaced)."""
        if self._status is None or not stat.S_ISREG(self._status.st_mode):
            return None
        with open(self.path, "rb") as file:
            return file.read()

    def matches(self, wanted: dict) -> bool:
        """Whether content, mode and owner are as wanted."""
        if self.content != wanted["text"].encode():
            return False
        owner = (self._status.st_uid, self._status.st_gid)
        return stat.S_IMODE(self._status.st_mode) == wanted["mode"] and (os.geteuid() != 0 or owner == (0, 0))


def unpack(blob: str) -> dict[str, dict]:
    """The files that the action plugin sent: path to {"text", "mode", "validate"}."""
    return json.loads(zlib.decompress(base64.b64decode(blob)))


def apply(phase: str, files: dict[str, dict], check_mode: bool = False) -> dict:
    """Bring the files to the wanted state; the module's result. Call it under node_lock."""
    record = PhaseRecord.open(phase, check_mode, part="kprov_files")
    now = {path: Current(path) for path in files}
    changed = [path for path, wanted in files.items() if not now[path].matches(wanted)]
    gone, foreign = _leaving(record, files)
    warnings = [f"{path} is no longer kprov's, but somebody changed it: left as it is" for path in foreign]
    for path in changed:
        warnings += validate(path, files[path], check_mode)
    diff = [_diff(path, now[path].content, files[path]["text"].encode(), files[path]["mode"]) for path in changed]
    diff += [_diff(path, Current(path).content, b"", int(entry["mode"], 8)) for path, entry in gone.items()]
    if not check_mode:
        _write(record, files, changed, now, list(gone))
    return {
        "changed": bool(changed or gone),
        "changed_files": changed,
        "removed_files": list(gone),
        "diff": diff,
        "warnings": warnings,
    }


def _leaving(record: PhaseRecord, files: dict) -> tuple[dict[str, dict], list[str]]:
    """Files of earlier runs that are not wanted any more: those with kprov's content, and those changed since."""
    gone, foreign = {}, []
    digests = record.earlier_digests()
    elsewhere = owned_files(except_phase=record.phase)  # a file may move from one phase to another
    for path, entry in sorted(record.earlier_files().items()):
        if path in files or path in elsewhere or not os.path.lexists(real(path)):
            continue
        content = Current(path).content
        if content is not None and kprov_fs.sha256_bytes(content) in digests[path]:
            gone[path] = entry
        else:
            foreign.append(path)
    return gone, foreign


def validate(path: str, wanted: dict, check_mode: bool) -> list[str]:
    """Run the file's validation command on a copy in /run: memory, so no secret reaches a disk. Returns warnings."""
    words = wanted["validate"]
    if not words:
        return []
    if check_mode and shutil.which(words[0]) is None:
        return [f"{path} was not validated: {words[0]} is not installed yet"]
    with tempfile.TemporaryDirectory(prefix="kprov-", dir=real("/run")) as directory:  # 0700
        copy = os.path.join(directory, os.path.basename(path))
        kprov_fs.atomic_write(copy, wanted["text"].encode(), 0o600)
        argv = [word.replace("%s", copy) for word in words]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=VALIDATION_DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FilesError(f"{path}: no answer within {VALIDATION_DEADLINE} s from: {' '.join(argv)}") from None
        except OSError as error:
            raise FilesError(f"{path}: cannot run {words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace").replace(copy, path).strip()
        raise FilesError(f"{path} is not valid, nothing was changed. {words[0]} said:\n{output}")
    return []


def _write(record: PhaseRecord, files: dict, changed: list[str], now: dict[str, Current], gone: list[str]) -> None:
    """Originals are safe before anything is reported as owned, and that before anything lands: a kill loses nothing."""
    owned = owned_files()
    for path in changed:
        if path not in owned and now[path].content != files[path]["text"].encode():
            keep_original(path)
    directories = _directories(record, files)
    if changed or gone:
        about_to_own = {path: _entry(path, wanted, path not in changed) for path, wanted in files.items()}
        record.replace(files={**record.earlier_files(), **about_to_own}, directories=directories)
    for path in changed:
        kprov_fs.make_directories(os.path.dirname(real(path)))
        kprov_fs.atomic_write(real(path), files[path]["text"].encode(), files[path]["mode"])
    for path in gone:
        kprov_fs.remove(real(path))
    for directory in sorted(directories, reverse=True):
        if not os.listdir(real(directory)):
            os.rmdir(real(directory))
            del directories[directory]
    landed = {path: _entry(path, wanted, True) for path, wanted in files.items()}
    record.replace(files=landed, directories=directories)


def _directories(record: PhaseRecord, files: dict) -> dict[str, dict]:
    """Directories that kprov made or is about to make: they go when the last file in them goes."""
    made = {path: {} for path in record.earlier("directories") if os.path.isdir(real(path))}
    for path in files:
        missing = kprov_fs.missing_directories(os.path.dirname(real(path)))
        made.update({directory[len(real("")) :]: {} for directory in missing})
    return made


def _entry(path: str, wanted: dict, landed: bool) -> dict:
    sha256 = kprov_fs.sha256_bytes(wanted["text"].encode())
    if landed:
        return file_entry(path, wanted["mode"], sha256)
    return {"sha256": sha256, "stat": None, "mode": f"{wanted['mode']:04o}"}


def _diff(path: str, before: bytes | None, after: bytes, mode: int) -> dict:
    if not mode & 0o077:  # for its owner only: a secret
        before, after = b"", b"(content not shown)\n"
    return {
        "before_header": path,
        "after_header": path,
        "before": (before or b"").decode(errors="replace"),
        "after": after.decode(errors="replace"),
    }


def run(params: dict, check_mode: bool) -> dict:
    """The files, then the units; the module's result."""
    result = apply(params["phase"], unpack(params["files"]), check_mode)
    if not params["units"]:
        return result
    done = kprov_systemd.apply(params["phase"], params["units"], kprov_systemd.DEADLINE, check_mode)
    return {**result, "changed": result["changed"] or done["changed"], "changes": done["changes"]}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "record": RECORD,
            "files": {"type": "str", "required": True, "no_log": True},
            "units": {"type": "list", "elements": "dict", "default": [], "options": kprov_systemd.UNIT},
        },
        supports_check_mode=True,
    )
    with locked(module, FilesError, kprov_systemd.UnitError):
        result = run(module.params, module.check_mode)
        result = end_phase(module, result)
    finish(module, result)


if __name__ == "__main__":
    main()
