"""The record of a phase: what kprov did on this node, for the next plan, the next run and `kprov reset`.

    # under node_lock, before the first change
    record = PhaseRecord.open("kubelet", part="kprov_files", check_mode=module.check_mode)
    ... change the node ...
    record.add_files({"/etc/x": file_entry("/etc/x", mode=0o644)})
    ...                                       # other modules of the phase do the same
    record.finish(fingerprint, cluster)       # kprov_module.end_phase() only, in the role's last module call

While a phase runs, everything is collected in `phases/<phase>.dirty`; `finish` turns that into `phases/<phase>.json`
and removes it. So a record holds exactly what the last complete run of the phase reported, and a killed run leaves a
dirty file: the phase is never taken for finished. Within a dirty file each module has a part of its own. A module's
first report of a run replaces its part, so nothing stale survives in it.
"""

from __future__ import annotations

import os
import shutil
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_paths import ORIGINALS, PHASES, STATE, real

SCHEMA = 1


class PhaseRecord:
    """The record of one phase, opened by one module (`part` is the module's name)."""

    def __init__(self, phase: str, part: str, check_mode: bool) -> None:
        self.phase = phase
        self.part = part
        self.check_mode = check_mode
        self._finished = _document(phase, "json")
        self._dirty = _document(phase, "dirty")
        self._report: dict = {}

    @classmethod
    def open(cls, phase: str, check_mode: bool = False, *, part: str) -> PhaseRecord:
        """Open the record and mark the phase dirty, on disk, before the caller changes anything; under node_lock.

        In check mode nothing is written, neither now nor by any other method.
        """
        record = cls(phase, part, check_mode)
        record._save()
        return record

    def earlier_files(self) -> dict[str, dict]:
        """Files that this part reported before: in the last finished run and in a killed one since. To be pruned."""
        mine = {
            path: entry for path, entry in _section(self._finished, "files").items() if entry.get("by") == self.part
        }
        mine.update(_section(_section(self._dirty, "parts").get(self.part, {}), "files"))
        return mine

    def earlier_digests(self) -> dict[str, set]:
        """Every sha256 that this part has reported for each of those files: content with one of them is kprov's own."""
        digests: dict[str, set] = {path: {entry.get("sha256")} for path, entry in self.earlier_files().items()}
        for path, entry in _section(self._finished, "files").items():
            if path in digests:
                digests[path].add(entry.get("sha256"))
        return digests

    def earlier(self, section: str) -> dict:
        """A section as this phase reported it before: in the last finished run, overlaid by a killed one since."""
        found = dict(_section(self._finished, section))
        for part in _section(self._dirty, "parts").values():
            found.update(_section(part, section))
        return found

    def add_files(self, files: dict[str, dict]) -> None:
        """Report files that the phase owns: path to file_entry().

        Report new ones before they land, too ({"sha256", "stat": None, "mode"}): a killed run then owns them.
        """
        self.add("files", self._mine(files))

    def replace(self, **sections: dict) -> None:
        """Report whole sections anew, durably, in one write: what this part reported for them before does not count."""
        for section, value in sections.items():
            self._report[section] = self._mine(value) if section == "files" else dict(value)
        self._save()

    def add_units(self, units: dict[str, dict]) -> None:
        """Report units that must be active: name to {"start_if": path or None}, the path without which it need not."""
        self.add("units", units)

    def add(self, section: str, value: dict) -> None:
        """Report further entries of a section (a dictionary), durably."""
        self._report.setdefault(section, {}).update(value)
        self._save()

    def finish(self, fingerprint: dict | None, cluster: str) -> bool:
        """Make the phase's record of what was reported, clear the dirty mark. True if more than times differs."""
        final: dict = {
            "schema": SCHEMA,
            "phase": self.phase,
            "cluster": cluster,
            "machine_id": machine_id(),
            "fingerprint": fingerprint,
            "files": {},
            "units": {},
            "objects": {},
        }
        for part in _section(self._dirty, "parts").values():
            for section, value in part.items():
                final.setdefault(section, {}).update(value)
        changed = _essence(final) != _essence(self._finished)
        if not self.check_mode:
            if {**final, "finished": None} != {**self._finished, "finished": None}:
                final["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                make_state_directory(PHASES)
                kprov_fs.write_json(_path(self.phase, "json"), final)
            if kprov_fs.remove(_path(self.phase, "dirty")):
                kprov_fs.sync_directory(real(PHASES))
        return changed

    def _mine(self, files: dict[str, dict]) -> dict[str, dict]:
        return {path: dict(entry, by=self.part) for path, entry in files.items()}

    def _save(self) -> None:
        if self.check_mode:
            return
        parts = dict(_section(self._dirty, "parts"))
        if self._report:
            parts[self.part] = self._report
        make_state_directory(PHASES)
        kprov_fs.write_json(_path(self.phase, "dirty"), {"schema": SCHEMA, "phase": self.phase, "parts": parts})


def file_entry(path: str, mode: int, sha256: str | None = None) -> dict:
    """What a record says about a file on the node, as it is now; give sha256 if it is known, hashing costs time.

    `mode` is the mode kprov wants, written as "0644".
    """
    actual = real(path)
    return {"sha256": sha256 or kprov_fs.sha256(actual), "stat": kprov_fs.signature(actual), "mode": f"{mode:04o}"}


def owned_files(except_phase: str | None = None) -> dict[str, dict]:
    """Every file in a record of any phase, finished or not, with its entry."""
    owned: dict[str, dict] = {}
    try:
        names = sorted(os.listdir(real(PHASES)))
    except FileNotFoundError:
        return owned
    for name in names:
        phase, _, suffix = name.rpartition(".")
        document = _document(phase, suffix) if suffix in ("json", "dirty") and phase != except_phase else {}
        for part in (document, *_section(document, "parts").values()):
            owned.update(_section(part, "files"))
    return owned


def digest(path: str, owned: dict[str, dict]) -> str | None:
    """SHA-256 of a file on the node, None if missing; from a record (owned_files()) if it was not written since."""
    try:
        current = kprov_fs.signature(real(path))
    except FileNotFoundError:
        return None
    entry = owned.get(path, {})
    if entry.get("stat") == current and entry.get("sha256"):
        return entry["sha256"]
    return kprov_fs.sha256(real(path))


def keep_original(path: str) -> None:
    """Keep what a file was before kprov replaced it, once: an original that is there already stays."""
    source, kept = real(path), real(ORIGINALS + path)
    if os.path.lexists(kept) or not os.path.lexists(source):
        return
    make_state_directory(ORIGINALS)
    kprov_fs.make_directories(os.path.dirname(kept), 0o700)
    temporary = kept + ".kprov-new"
    kprov_fs.remove(temporary)
    shutil.copy2(source, temporary, follow_symlinks=False)
    if not os.path.islink(temporary):
        status = os.stat(source)
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid)
    os.rename(temporary, kept)
    kprov_fs.sync_directory(os.path.dirname(kept))


def make_state_directory(path: str) -> None:
    """Create a directory below /var/lib/kprov; all of it is for root only."""
    kprov_fs.make_directories(os.path.dirname(real(STATE)))
    kprov_fs.make_directories(real(path), 0o700)


def machine_id() -> str:
    """The machine's identity: a record that was copied along with a disk image is not taken for this machine's."""
    try:
        with open(real("/etc/machine-id"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _path(phase: str, suffix: str) -> str:
    return real(f"{PHASES}/{phase}.{suffix}")


def _document(phase: str, suffix: str) -> dict:
    return kprov_fs.read_json(_path(phase, suffix)) or {}


def _section(document: dict, name: str) -> dict:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _essence(document: dict) -> dict:
    essence = {key: value for key, value in document.items() if key != "finished"}
    files = _section(document, "files").items()
    essence["files"] = {path: (entry.get("sha256"), entry.get("mode")) for path, entry in files}
    return essence
