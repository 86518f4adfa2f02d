"""`kprov certs kubeconfig rebuild`: what it finds to do, what it refuses, and when it starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kprov.certs.item import Inventory
from kprov.commands import certs_kubeconfig_rebuild as command
from kprov.commands.certs_kubeconfig_rebuild import Broken, RebuildOptions, broken, certs_kubeconfig_rebuild
from kprov.commands.context import Options
from kprov.engine.certs_renew import Ran
from kprov.engine.events import Event
from kprov.engine.run import Outcome
from kprov.errors import ExitCode, InputError, Interrupted, PhaseError
from kprov.remote.node import read
from kprov.spec.load import Loaded
from kprov.ui.result import Result
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node, kubeadm_files
from tests.unit.factories import make_spec

SCHEDULER = "/etc/kubernetes/scheduler.conf"
Run = tuple[Ran, dict[tuple[str, str], str]]


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """cp1, made by kubeadm, in an inventory of its own. Nothing may be run on it, unless a test says so."""
    monkeypatch.setattr(read, "ROOT", str(tmp_path / "node"))
    node = Node(tmp_path / "node")
    kubeadm_files(node, pki.kubeadm())
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(1, 1)))
    monkeypatch.setattr(command, "_look", lambda *_: node.inventory())
    monkeypatch.setattr(command, "_run", lambda *_: pytest.fail("Ansible was started"))
    return node


def rebuild(*files: str, hosts: tuple[str, ...] = (), agree: bool = True, dry_run: bool = False) -> Result:
    how = RebuildOptions(files, hosts, lambda _: agree, dry_run=dry_run)
    return certs_kubeconfig_rebuild(Options(), how, Console(quiet=True))


def runs(monkeypatch: pytest.MonkeyPatch, done: Any, failures: Sequence[Event] = ()) -> None:
    """Something is run in place of Ansible."""

    def run(*_: object) -> Run:
        done()
        ran = Ran("certs kubeconfig rebuild", Outcome(failures=[*failures]), Path("ansible.log"))
        return ran, {("cp1", "scheduler.conf"): "kube-scheduler started after it was written"}

    monkeypatch.setattr(command, "_run", run)


def test_nothing_broken_nothing_run(plane: Node) -> None:
    done = rebuild("scheduler.conf", "admin.conf", "kubelet.conf")
    assert (done.exit_code, done.data["items"], done.data["changed"]) == (ExitCode.OK, [], False)


def test_what_is_broken_is_announced_and_a_dry_run_changes_nothing(plane: Node) -> None:
    plane.remove(SCHEDULER)
    done = rebuild("scheduler.conf", "admin.conf", dry_run=True)
    assert done.exit_code == ExitCode.FOUND
    assert [(one["item"], one["was"], one["subject"]) for one in done.data["items"]] == [
        ("scheduler.conf", "it is missing", None)
    ]
    with pytest.raises(Interrupted):
        rebuild("scheduler.conf", agree=False)


def test_a_file_in_order_that_its_reader_does_not_know_is_brought_into_use(plane: Node) -> None:
    """Killed after the file was written."""
    plane.runs(7, "/usr/local/bin/kube-scheduler", f"--kubeconfig={SCHEDULER}", started=pki.NOW.timestamp() - 3600)
    assert broken(plane.inventory(), ["cp1"], ["scheduler.conf"]) == [
        Broken("cp1", "scheduler.conf", "it is in order, but what runs was started before it", unused=True)
    ]


def test_rebuilt_and_proven(plane: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    good = plane.path(SCHEDULER).read_text()
    plane.put(SCHEDULER, "cut", 0o600)
    runs(monkeypatch, lambda: plane.put(SCHEDULER, good, 0o600))
    done = rebuild("scheduler.conf")
    (item,) = done.data["items"]
    assert (done.exit_code, done.data["changed"], item["subject"], item["problem"], item["proof"]) == (
        ExitCode.OK,
        True,
        "CN=system:kube-scheduler",
        None,
        "kube-scheduler started after it was written",
    )


def test_rebuilt_and_then_something_failed(plane: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    good = plane.path(SCHEDULER).read_text()
    plane.remove(SCHEDULER)
    failure = Event(event="failed", host="cp1", task="Prove that they are in use", msg="nobody leads")
    runs(monkeypatch, lambda: plane.put(SCHEDULER, good, 0o600), [failure])
    done = rebuild("scheduler.conf")
    assert (done.exit_code, [one.code for one in done.problems if one.severity == "error"]) == (
        ExitCode.PHASE,
        ["rebuild-failed"],
    )


def test_not_rebuilt(plane: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.remove(SCHEDULER)
    runs(monkeypatch, lambda: None, [Event(event="failed", host="cp1", task="Rebuild kubeconfigs", msg="no")])
    with pytest.raises(PhaseError, match="certs kubeconfig rebuild failed on cp1"):
        rebuild("scheduler.conf")
    runs(monkeypatch, lambda: None)
    assert rebuild("scheduler.conf").exit_code == ExitCode.PHASE


@pytest.mark.parametrize(
    ("file", "host", "said", "hint"),
    [
        ("schedular.conf", "cp1", "kubeadm makes no kubeconfig schedular.conf", "did you mean scheduler.conf?"),
        ("apiserver", "cp1", "kubeadm makes no kubeconfig apiserver", "it makes admin.conf, super-admin.conf"),
        ("inventory.ini", "cp9", "kubeadm makes no kubeconfig inventory.ini", "it makes admin.conf"),
        ("super-admin.conf", "", "only on a control plane that --host names", "no control plane should have it"),
        ("scheduler.conf", "w1", "w1 is no control plane", "cp1"),
        ("scheduler.conf", "cp9", "the inventory has no such host", ""),
    ],
)
def test_refused_before_anything_is_looked_at(plane: Node, file: str, host: str, said: str, hint: str) -> None:
    plane.remove(SCHEDULER)
    with pytest.raises(InputError, match=said) as refused:
        rebuild(file, hosts=(host,) if host else ())
    assert hint in (refused.value.hint or "")


def test_no_name_is_not_all_names(plane: Node) -> None:
    with pytest.raises(InputError, match="no kubeconfig is named"):
        rebuild()


def test_a_missing_super_admin_is_rebuilt_only_by_name(plane: Node) -> None:
    plane.remove("/etc/kubernetes/super-admin.conf")
    assert rebuild("admin.conf").exit_code == ExitCode.OK
    assert rebuild("super-admin.conf", hosts=("cp1",), dry_run=True).exit_code == ExitCode.FOUND


def test_without_the_ca_s_key_or_with_a_ca_that_has_ended(plane: Node) -> None:
    plane.remove(SCHEDULER)
    plane.remove(f"{PKI}/ca.key")
    with pytest.raises(InputError, match="the CA's key is not on the node") as refused:
        rebuild("scheduler.conf")
    assert "external-ca.md" in (refused.value.hint or "")
    plane.pair(f"{PKI}/ca.crt", pki.authority("kubernetes", days=-0.5))
    with pytest.raises(InputError, match="the CA has ended") as refused:
        rebuild("scheduler.conf")
    assert "rotate-ca.md" in (refused.value.hint or "")


def test_a_host_that_says_nothing_has_nothing_in_order(plane: Node) -> None:
    assert broken(Inventory(pki.NOW, ()), ["cp1"], ["admin.conf"]) == [Broken("cp1", "admin.conf", "it is missing")]
