"""A Lease as a lock: one holder at a time, and what becomes of one that is gone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_lease import CLOCKS, LEASES, Lease

NOW = 1_780_000_000.0


class Store:
    """Keeps one object as the API server does: a write needs the version that is stored."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.version = 0
        self.before_write: Any = None

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        if method == "GET":
            assert path == f"{LEASES}/lock"
            return (200, copy.deepcopy(self.stored)) if self.stored else (404, {"reason": "NotFound"})
        assert body is not None and body["kind"] == "Lease"
        intruder, self.before_write = self.before_write, None
        if intruder:
            intruder()
        if (method == "POST") == (self.stored is not None):
            return 409, {"reason": "AlreadyExists"}
        if self.stored and body["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            return 409, {"reason": "Conflict"}
        self.version += 1
        self.stored = copy.deepcopy(body)
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        return 200, self.stored


def lease(store: Store, who: str) -> Lease:
    return Lease(store, "lock", who, 60)


def holder(store: Store) -> str:
    assert store.stored
    return str(store.stored["spec"]["holderIdentity"])


def test_one_has_it_until_it_gives_it_back() -> None:
    store = Store()
    one, other = lease(store, "cp1"), lease(store, "cp2")
    assert one.take(NOW) is None
    assert "cp1 has Lease kube-system/lock" in (other.take(NOW + 1) or "")
    assert "cp1 has" in (other.holder(NOW + 1) or "")
    other.release()  # not its own
    assert holder(store) == "cp1"
    one.release()
    assert other.take(NOW + 2) is None
    assert holder(store) == "cp2"


def test_who_goes_on_keeps_it_and_who_is_gone_loses_it() -> None:
    store = Store()
    one, other = lease(store, "cp1"), lease(store, "cp2")
    one.take(NOW)
    one.renew(NOW + 59)
    assert store.stored and store.stored["spec"]["leaseTransitions"] == 0
    assert other.take(NOW + 59 + 60 + CLOCKS - 1) is not None
    assert other.take(NOW + 59 + 60 + CLOCKS) is None
    with pytest.raises(StepError, match="the lock was lost: cp2 has"):
        one.renew(NOW + 59 + 60 + CLOCKS + 1)
    assert store.stored["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize("there_before", [True, False])
def test_of_two_at_the_same_moment_one_gets_it(there_before: bool) -> None:
    store = Store()
    one, other = lease(store, "cp1"), lease(store, "cp2")
    if there_before:
        one.take(NOW)
        one.release()
    store.before_write = lambda: other.take(NOW)
    assert "at the same moment" in (one.take(NOW) or "")
    assert holder(store) == "cp2"


def test_an_api_that_refuses_is_no_lock() -> None:
    class Forbidding(Store):
        def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
            return 403, {"message": "leases is forbidden"}

    with pytest.raises(StepError, match="leases is forbidden"):
        lease(Forbidding(), "cp1").take(NOW)


def test_a_lease_with_a_time_that_cannot_be_read_belongs_to_somebody() -> None:
    store = Store()
    lease(store, "cp1").take(NOW)
    assert store.stored
    store.stored["spec"]["renewTime"] = "yesterday"
    assert "since an unknown time" in (lease(store, "cp2").take(NOW + 10**6) or "")
