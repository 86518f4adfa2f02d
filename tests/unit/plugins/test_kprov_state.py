"""The record of a phase and the lock of a node."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest
from ansible.module_utils import kprov_fs, kprov_lock, kprov_state


def write(node, path, text="x"):
    target = node / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return {path: kprov_state.file_entry(path, 0o644)}


def record_of(node, phase="os"):
    return json.loads((node / f"var/lib/kprov/phases/{phase}.json").read_text())


def finish(fingerprint=None, cluster="demo"):
    return kprov_state.PhaseRecord("os", "kprov_phase", False).finish(fingerprint, cluster)


def test_finish_merges_what_the_modules_of_a_phase_reported(node):
    kprov_state.PhaseRecord.open("os", part="kprov_files").add_files(write(node, "/etc/a"))
    kprov_state.PhaseRecord.open("os", part="kprov_units").add_units({"a.service": {"start_if": None}})
    assert finish({"spec": "1"}) is True
    record = record_of(node)
    assert record["fingerprint"] == {"spec": "1"}
    assert record["cluster"] == "demo"
    assert record["machine_id"] == "0123456789abcdef0123456789abcdef"
    assert record["units"] == {"a.service": {"start_if": None}}
    assert record["files"]["/etc/a"]["stat"] == kprov_fs.signature(str(node / "etc/a"))
    assert not (node / "var/lib/kprov/phases/os.dirty").exists()


def test_second_run_that_reports_the_same_changes_nothing(node):
    for expected in (True, False):
        kprov_state.PhaseRecord.open("os", part="kprov_files").add_files(write(node, "/etc/a"))
        assert finish() is expected


def test_record_keeps_nothing_that_the_last_run_did_not_report(node):
    record = kprov_state.PhaseRecord.open("os", part="kprov_files")
    record.add_files({**write(node, "/etc/a"), **write(node, "/etc/b")})
    finish()
    kprov_state.PhaseRecord.open("os", part="kprov_files").add_files(write(node, "/etc/b"))
    assert finish() is True
    assert list(record_of(node)["files"]) == ["/etc/b"]


def test_killed_run_leaves_the_phase_dirty_and_its_files_owned(node):
    kprov_state.PhaseRecord.open("os", part="kprov_files").add_files(write(node, "/etc/a"))
    # ... killed; the next run:
    record = kprov_state.PhaseRecord.open("os", part="kprov_files")
    assert (node / "var/lib/kprov/phases/os.dirty").exists()
    assert list(record.earlier_files()) == ["/etc/a"]
    assert "/etc/a" in kprov_state.owned_files()


def test_opening_alone_keeps_what_a_killed_run_reported(node):
    kprov_state.PhaseRecord.open("os", part="kprov_kubeadm").add("steps", {"certs": "done"})
    kprov_state.PhaseRecord.open("os", part="kprov_kubeadm")
    assert kprov_state.PhaseRecord.open("os", part="kprov_kubeadm").earlier("steps") == {"certs": "done"}


def test_a_part_sees_only_its_own_files(node):
    kprov_state.PhaseRecord.open("os", part="kprov_artifacts").add_files(write(node, "/usr/local/bin/x"))
    finish()
    assert kprov_state.PhaseRecord.open("os", part="kprov_files").earlier_files() == {}


def test_damaged_record_counts_as_none(node):
    directory = node / "var/lib/kprov/phases"
    directory.mkdir(parents=True)
    (directory / "os.json").write_text("{")
    (directory / "os.dirty").write_text("[]")
    assert kprov_state.PhaseRecord.open("os", part="kprov_files").earlier_files() == {}


def test_check_mode_writes_nothing(node, tree):
    before = tree()
    with kprov_lock.node_lock(check_mode=True):
        record = kprov_state.PhaseRecord.open("os", check_mode=True, part="kprov_files")
        record.add("sysctl", {"a": "1"})
        record.finish(None, "demo")
    assert tree() == before


def test_state_is_for_root_only(node):
    kprov_state.PhaseRecord.open("os", part="kprov_files")
    assert [oct((node / p).stat().st_mode & 0o777) for p in ("var/lib/kprov", "var/lib/kprov/phases")] == ["0o700"] * 2
    assert (node / "var/lib/kprov/phases/os.dirty").stat().st_mode & 0o777 == 0o600


def test_original_is_kept_once_with_its_mode(node):
    write(node, "/etc/app/a", "before")
    (node / "etc/app/a").chmod(0o640)
    kprov_state.keep_original("/etc/app/a")
    write(node, "/etc/app/a", "kprov's")
    kprov_state.keep_original("/etc/app/a")
    kept = node / "var/lib/kprov/originals/etc/app/a"
    assert kept.read_text() == "before"
    assert kept.stat().st_mode & 0o777 == 0o640


def test_digest_comes_from_the_record_while_the_file_is_untouched(node):
    entry = write(node, "/etc/a", "x")
    owned = {"/etc/a": {**entry["/etc/a"], "sha256": "recorded"}}
    assert kprov_state.digest("/etc/a", owned) == "recorded"
    write(node, "/etc/a", "changed")
    assert kprov_state.digest("/etc/a", owned) == kprov_fs.sha256_bytes(b"changed")
    assert kprov_state.digest("/etc/missing", owned) is None


def test_atomic_write_leaves_no_temporary_file_behind_when_it_fails(node, monkeypatch):
    (node / "etc/a").write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        kprov_fs.atomic_write(str(node / "etc/a"), b"after", 0o644)
    assert (node / "etc/a").read_text() == "before"
    assert sorted(path.name for path in (node / "etc").iterdir()) == ["a", "machine-id"]


def test_atomic_write_replaces_a_link_and_not_what_it_points_to(node):
    (node / "etc/target").write_text("theirs")
    (node / "etc/link").symlink_to("target")
    kprov_fs.atomic_write(str(node / "etc/link"), b"kprov's", 0o600)
    assert not (node / "etc/link").is_symlink()
    assert (node / "etc/target").read_text() == "theirs"


def hold(ready, end):
    with kprov_lock.node_lock():
        ready.set()
        end.wait(20)


def test_node_lock_names_the_process_that_holds_it(node):
    fork = multiprocessing.get_context("fork")
    ready, end = fork.Event(), fork.Event()
    holder = fork.Process(target=hold, args=(ready, end))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(kprov_lock.LockTimeout, match=f"process {holder.pid} holds /run/kprov.lock"):
        kprov_lock.node_lock(deadline=0).__enter__()
    end.set()
    holder.join()
    with kprov_lock.node_lock(deadline=0):
        pass


def test_node_lock_is_free_after_its_holder_was_killed(node):
    fork = multiprocessing.get_context("fork")
    ready, end = fork.Event(), fork.Event()
    holder = fork.Process(target=hold, args=(ready, end))
    holder.start()
    assert ready.wait(20)
    holder.kill()
    with kprov_lock.node_lock(deadline=20):
        pass
    holder.join()
