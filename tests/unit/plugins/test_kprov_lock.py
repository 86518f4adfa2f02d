"""kprov_lock: the cluster's lock."""

from __future__ import annotations

import errno
import json

import pytest
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_lease import Lease

from tests.unit.plugins.test_kprov_lease import Store

NOW = 1_800_000_000.0


@pytest.fixture
def module(plugin):
    return plugin("modules", "kprov_lock")


def parameters(run="run-1", controller="laptop", **values):
    return {
        "run_id": run,
        "controller_id": controller,
        "holder": f"me@{controller}",
        "operation": "up",
        "expires_in": 3600,
        "break_lock": False,
        **values,
    }


def lock(node):
    return json.loads((node / "var/lib/kprov/lock.json").read_text())


def test_lock_says_who_since_when_and_what(node, module):
    module.take(parameters(), NOW)
    assert lock(node) == {
        "run_id": "run-1",
        "controller_id": "laptop",
        "holder": "me@laptop",
        "operation": "up",
        "since": "2027-01-15T08:00:00Z",
        "expires": "2027-01-15T09:00:00Z",
    }


def test_second_operator_is_refused_and_told_what_to_do(node, module):
    module.take(parameters(), NOW)
    message = r"me@laptop runs `kprov up` since 2027-01-15T08:00:00Z .*--break-lock"
    with pytest.raises(module.Locked, match=message):
        module.take(parameters("run-2", "ci"), NOW + 60)
    assert lock(node)["run_id"] == "run-1"


@pytest.mark.parametrize(
    ("second", "later", "reason"),
    [
        (parameters("run-2", "laptop"), 60, "of an earlier run of this controller"),
        (parameters("run-2", "ci"), 3600, "expired"),
        (parameters("run-2", "ci", break_lock=True), 60, "broken"),
    ],
)
def test_takes_over_own_expired_and_broken_locks(node, module, second, later, reason):
    module.take(parameters(), NOW)
    assert reason in module.take(second, NOW + later)["msg"]
    assert lock(node)["run_id"] == "run-2"


def test_run_renews_its_own_lock(node, module):
    module.take(parameters(), NOW)
    module.take(parameters(), NOW + 3000)
    assert (lock(node)["since"], lock(node)["expires"]) == ("2027-01-15T08:00:00Z", "2027-01-15T09:50:00Z")


def test_released_only_by_its_run(node, module):
    module.take(parameters(), NOW)
    assert "not this run's any more" in module.release("run-2")["msg"]
    assert lock(node)["run_id"] == "run-1"
    module.release("run-1")
    assert not (node / "var/lib/kprov/lock.json").exists()
    assert "no lock" in module.release("run-1")["msg"]


def test_damaged_lock_must_be_broken(node, module):
    module.take(parameters(), NOW)
    (node / "var/lib/kprov/lock.json").write_text("{")
    with pytest.raises(module.Locked, match="unknown runs"):
        module.take(parameters(), NOW + 1_000_000)
    module.take(parameters(break_lock=True), NOW)


def test_check_mode_only_looks(node, module, tree):
    before = tree()
    module.take(parameters(), NOW, check_mode=True)
    assert tree() == before


# The Lease beside the file


@pytest.fixture
def store(node, module, monkeypatch):
    """An API in which every Lease of these tests is kept."""
    kept = Store()
    monkeypatch.setattr(module, "Api", lambda pod: kept)
    monkeypatch.setattr(module, "pods", lambda: {"kube-apiserver": "its manifest"})
    monkeypatch.setattr(module, "CLUSTER", "lock")
    return kept


def test_the_lease_is_taken_and_given_back_with_the_file(node, module, store):
    module.take_lease(parameters(), NOW)
    assert store.stored["spec"]["holderIdentity"] == "me@laptop_laptop"
    module.take_lease(parameters("run-2"), NOW + 60)  # the same controller after a killed run
    module.release_lease(parameters("run-2"))
    assert store.stored["spec"]["holderIdentity"] == ""


def test_a_control_plane_that_renews_its_certificates_is_waited_for(node, module, store):
    Lease(store, "lock", "cp2", 900).take(NOW)
    module.take(parameters(), NOW)
    with pytest.raises(module.Locked, match="locked: cp2 has Lease kube-system/lock"):
        module.take_lease(parameters(), NOW)
    assert not (node / "var/lib/kprov/lock.json").exists()
    module.take_lease(parameters(break_lock=True), NOW)
    assert store.stored["spec"]["holderIdentity"] == "me@laptop_laptop"


def test_an_api_without_an_answer_is_no_reason_to_stop(node, module, store, monkeypatch):
    def refused(*arguments):
        raise StepError("refused")

    monkeypatch.setattr(store, "ask", refused)
    module.take_lease(parameters(), NOW)
    module.release_lease(parameters())


def test_an_operation_that_makes_room_goes_on_where_the_lock_cannot_be_written(node, module, monkeypatch):
    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(module.kprov_fs, "write_json", full)
    assert "full" in module.take(parameters(makes_room=True), NOW)["msg"]
    with pytest.raises(OSError, match="No space left"):
        module.take(parameters(), NOW)


def test_a_full_disk_does_not_make_another_s_lock_void(node, module, monkeypatch):
    module.take(parameters(), NOW)
    with pytest.raises(module.Locked):
        module.take(parameters("run-2", "ci", makes_room=True), NOW + 60)
