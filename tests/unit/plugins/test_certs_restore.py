"""The certificates of a backup back in their files: what differs, what must not come back, what stays."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils.kprov_certs_restore import Restore, directory_of
from ansible.module_utils.kprov_kubeadm_run import StepError

from tests.unit.plugins.certificates import NOW, Pair, issue
from tests.unit.plugins.conftest import snapshot

DAY = 86_400.0
now = NOW.timestamp()
KNOWN = {name: item for name, item in kubeadm.items().items() if name in ("apiserver", "scheduler.conf")}
APISERVER, SCHEDULER = KNOWN["apiserver"], KNOWN["scheduler.conf"]


@pytest.fixture
def ca(node: Path) -> Pair:
    authority = issue("ca")
    authority.write(node / "etc/kubernetes/pki", "ca")
    renew(node, authority)
    return authority


def renew(node: Path, signer: Pair, days: float = 20) -> None:
    """New ones in both files; the kubeconfig is for root only."""
    issue("apiserver", signer=signer, days=days).write(node / "etc/kubernetes/pki", "apiserver")
    (node / "etc/kubernetes/pki/apiserver.key").chmod(0o600)
    conf = node / "etc/kubernetes/scheduler.conf"
    conf.write_text(issue("scheduler", signer=signer, days=days).kubeconfig())
    conf.chmod(0o600)


def back_up(at: float = now) -> str:
    return str(backups.make(kubeadm.readable(KNOWN), None, at)["directory"])


def test_what_was_renewed_comes_back_as_it_was(node: Path, ca: Pair) -> None:
    before = {path: entry[:2] for path, entry in snapshot(node / "etc").items()}
    directory = back_up()
    assert Restore(directory, KNOWN).differing() == []
    renew(node, ca)
    restore = Restore(directory, KNOWN)
    assert restore.differing() == ["apiserver", "scheduler.conf"]
    assert restore.problems(now, accept_expired=False) == []
    for name in restore.differing():
        restore.write(name)
    assert {path: entry[:2] for path, entry in snapshot(node / "etc").items()} == before
    assert Restore(directory, KNOWN).differing() == []


def test_files_that_are_gone_or_damaged_come_back(node: Path, ca: Pair) -> None:
    directory = back_up()
    (node / "etc/kubernetes/scheduler.conf").write_text("garbage")
    (node / "etc/kubernetes/pki/apiserver.key").unlink()
    assert kubeadm.readable(KNOWN).keys() == {"apiserver"}
    restore = Restore(directory, KNOWN)
    assert restore.differing() == ["apiserver", "scheduler.conf"]
    restore.write("apiserver")
    assert (node / "etc/kubernetes/pki/apiserver.key").stat().st_mode & 0o777 == 0o600
    assert not kubeadm.broken_pair(APISERVER)


def test_what_has_ended_comes_back_only_when_asked_for(node: Path, ca: Pair) -> None:
    directory = back_up()
    renew(node, ca)
    later = (NOW + datetime.timedelta(days=21)).timestamp()
    restore = Restore(directory, KNOWN)
    assert restore.problems(later, accept_expired=False) == [
        "apiserver of the backup ended at 2026-06-21T00:00:00Z",
        "scheduler.conf of the backup ended at 2026-06-21T00:00:00Z",
    ]
    assert restore.problems(later, accept_expired=True) == []


def test_what_another_ca_signed_does_not_come_back(node: Path, ca: Pair) -> None:
    directory = back_up()
    other = issue("ca")
    other.write(node / "etc/kubernetes/pki", "ca")
    renew(node, other)
    (problem,) = Restore(directory, KNOWN).problems(now, accept_expired=True)
    assert problem.startswith("/etc/kubernetes/pki/ca.crt is another one than in the backup")


def test_a_pair_that_does_not_fit_does_not_come_back(node: Path, ca: Pair) -> None:
    issue("other").write(node / "tmp", "other")
    (node / "tmp/other.key").replace(node / "etc/kubernetes/pki/apiserver.key")
    directory = back_up()
    renew(node, ca)
    (problem,) = Restore(directory, KNOWN).problems(now, accept_expired=False)
    assert problem.startswith("apiserver of the backup: certificate and key do not belong together")


def test_backups_are_found_by_name_and_the_newest_by_none(node: Path, ca: Pair) -> None:
    with pytest.raises(StepError, match="there are: none"):
        directory_of("")
    first, second = back_up(now), back_up(now + 60)
    assert directory_of("") == second
    assert directory_of(first.rpartition("/")[2]) == first
    with pytest.raises(StepError, match=r"no whole backup \.\./x .*20260601T000000Z, 20260601T000100Z"):
        directory_of("../x")
