"""What a renewal has to do, and what has become of it."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.certs.certificate import from_pem
from kprov.certs.item import Inventory, Item, Key, Renewer, Served
from kprov.certs.node.known import KUBEADM
from kprov.certs.renewal import Renewal, compare, plan, plan_names
from kprov.commands.certs_renew import _external, _not_issued
from kprov.ui.renewal_table import impact
from tests.unit.plugins.certificates import NOW, Pair, issue

DAY = 86400.0
CA: Pair = issue("kubernetes")
HOSTS = ("cp1", "cp2", "cp3")


def item(host: str, name: str, days: float = 20.0, **fields: object) -> Item:
    certificate = from_pem(issue(name, signer=CA, days=days).pem.decode())[0]
    kind = "kubeconfig" if name.endswith(".conf") else "certificate"
    values: dict[str, object] = {"renewer": Renewer.KUBEADM, "place": f"/{name}", **fields}
    return Item(host=host, name=name, kind=kind, certificate=certificate, **values)  # type: ignore[arg-type]


def inventory(*items: Item) -> Inventory:
    return Inventory(NOW, items)


def names(found: Inventory, only: tuple[str, ...] = (), within: float | None = 30 * DAY) -> list[tuple[str, list[str]]]:
    return [(work.host, [item.name for item in work.due]) for work in plan(found, HOSTS, only, within).work]


def test_only_kubeadms_certificates_of_control_planes_that_end_soon() -> None:
    found = inventory(
        item("cp2", "apiserver"),
        item("cp1", "apiserver"),
        item("cp1", "etcd-peer", days=40),
        item("cp1", "kubelet-client", renewer=Renewer.KUBELET),
        item("cp1", "/root/.kube/config", renewer=Renewer.COPY),
        item("w1", "apiserver"),
        item("", "endpoint", served_equal=False),
    )
    assert names(found) == [("cp1", ["apiserver"]), ("cp2", ["apiserver"])]
    assert names(found, within=None) == [("cp1", ["apiserver", "etcd-peer"]), ("cp2", ["apiserver"])]
    assert names(found, only=("etcd-peer",)) == []
    assert names(found, only=("etcd-peer",), within=None) == [("cp1", ["etcd-peer"])]


def test_a_certificate_without_its_key_is_due() -> None:
    broken = Key("/etcd-peer.key", 0o600, "it is of another certificate")
    assert names(inventory(item("cp1", "etcd-peer", days=300, key=broken))) == [("cp1", ["etcd-peer"])]


def test_a_copy_that_a_run_did_not_get_to_is_work_by_itself() -> None:
    """Killed between the renewal of admin.conf and its copies: nothing else would be left to do."""
    mine, other = "/root/.kube/config", "/home/ann/.kube/config"
    admin, old = item("cp1", "admin.conf", 300), item("cp1", mine, 300, renewer=Renewer.COPY, place=mine)
    fresh = replace(old, certificate=admin.certificate)
    (work,) = plan(inventory(admin, old), HOSTS, (), 30 * DAY, [mine]).work
    assert (work.due, work.unused, work.copies) == ((), (), (old,))
    assert plan(inventory(admin, fresh), HOSTS, (), 30 * DAY, [mine]).work == ()
    assert plan(inventory(admin, replace(old, renewer=Renewer.NOBODY)), HOSTS, (), 30 * DAY, [mine]).work == ()
    assert plan(inventory(admin, replace(old, place=other)), HOSTS, (), 30 * DAY, [mine]).work == ()
    renewal = plan(inventory(admin, old), HOSTS, (), 30 * DAY, [mine])
    assert [one.problem for one in compare(renewal, inventory(admin, fresh))] == [""]
    assert [one.problem for one in compare(renewal, inventory(admin, old))] == ["not renewed"]


def test_what_another_ca_signs_is_named_and_left_alone() -> None:
    found = plan(inventory(item("cp1", "apiserver", renewer=Renewer.EXTERNAL)), HOSTS, (), 30 * DAY)
    assert found.work == ()
    assert [one.name for one in found.external] == ["apiserver"]


def test_only_what_kubeadm_made_is_asked_for_by_a_command() -> None:
    ours = item("cp1", "apiserver", renewer=Renewer.EXTERNAL, place="/etc/kubernetes/ssl/apiserver.crt")
    member = item("cp1", "etcd-server", renewer=Renewer.EXTERNAL, place="/etc/ssl/etcd/ssl/member-cp1.pem")
    hints = [problem.hint or "" for problem in _external(Renewal((), (ours, member)))]
    assert ["csr export" in hint for hint in hints] == [True, False]


def test_an_etcd_that_is_a_service_is_renewed_wherever_it_runs() -> None:
    by_kprov = {"renewer": Renewer.KPROV, "authority": "etcd-ca"}
    found = inventory(
        item("cp1", "apiserver-etcd-client", **by_kprov),
        item("db1", "etcd-server", **by_kprov),
        item("db1", "admin-db1.pem", days=40, served_equal=False, **by_kprov),
        item("db2", "etcd-server", days=40, **by_kprov),
        item("db3", "etcd-server", renewer=Renewer.EXTERNAL, authority="etcd-ca"),
    )
    renewal = plan(found, HOSTS, (), 30 * DAY)
    assert renewal
    assert renewal.work == ()
    assert [
        (work.host, [one.name for one in work.due], [one.name for one in work.unused]) for work in renewal.etcd
    ] == [
        ("cp1", ["apiserver-etcd-client"], []),
        ("db1", ["etcd-server"], ["admin-db1.pem"]),
    ]
    assert [one.host for one in renewal.external] == ["db3"]
    assert len(compare(renewal, found)) == 3
    assert not plan(found, HOSTS, (), 30 * DAY).recover
    ended = replace(inventory(item("db1", "etcd-server", days=1, **by_kprov)), now=NOW + datetime.timedelta(days=2))
    assert plan(ended, HOSTS, (), 30 * DAY).recover


@given(st.sampled_from(sorted(KUBEADM)), st.sampled_from([True, None]), st.floats(31, 3000))
def test_nothing_is_due_that_has_time_and_is_in_use(name: str, in_use: bool | None, days: float) -> None:
    assert plan(inventory(item("cp1", name, days, served_equal=in_use)), HOSTS, (), 30 * DAY).work == ()


def test_a_process_with_an_old_certificate_is_work_and_is_restarted_where_it_must_be() -> None:
    found = inventory(
        item("cp1", "apiserver", days=300, served_equal=False),
        item("cp1", "scheduler.conf", days=300, served_equal=False),
    )
    (work,) = plan(found, HOSTS, (), 30 * DAY).work
    assert (work.due, [one.name for one in work.unused]) == ((), ["apiserver", "scheduler.conf"])
    assert work.restarts == ("kube-scheduler",)


def test_proof_is_what_is_served_or_started_and_not_the_file() -> None:
    before = inventory(item("cp1", "apiserver"), item("cp1", "scheduler.conf"), item("cp1", "front-proxy-client"))
    renewal = plan(before, HOSTS, (), 30 * DAY)
    fresh = item("cp1", "apiserver", days=365)
    served = (Served("10.0.0.1:6443", fresh.certificate),)
    after = [
        replace(fresh, served=served, served_equal=True),
        item("cp1", "scheduler.conf", days=365, served_equal=True),
        item("cp1", "front-proxy-client", days=365),
    ]
    proofs = [(one.proof, one.problem) for one in compare(renewal, inventory(*after))]
    assert proofs == [
        ("served at 10.0.0.1:6443", ""),
        ("kube-scheduler started after it", ""),
        ("new in the file, which is read for each connection", ""),
    ]


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (None, "cannot be read"),
        ("same", "not renewed"),
        ({"served_equal": False}, "still uses the old one"),
        ({"key": Key("/apiserver.key", 0o600, "it is of another certificate")}, "another certificate"),
    ],
)
def test_proof_can_say_no(after: object, problem: str) -> None:
    before = inventory(item("cp1", "apiserver"))
    renewal = plan(before, HOSTS, (), 30 * DAY)
    later = item("cp1", "apiserver", days=365, **after) if isinstance(after, dict) else before.items[0]
    found = inventory() if after is None else inventory(later)
    (one,) = compare(renewal, replace(found, now=NOW + datetime.timedelta(minutes=1)))
    assert problem in one.problem
    assert one.proof == ""


@pytest.mark.parametrize(("planes", "word"), [(1, "5 to 35 s"), (2, "majority"), (3, "others answer")])
def test_announcement_says_what_happens_to_the_api(planes: int, word: str) -> None:
    assert word in " ".join(impact(planes, restarted=True))


@pytest.mark.parametrize(("days", "work"), [(60.0, False), (36.0, True), (-1.0, True)])
def test_a_kubelet_whose_request_nobody_answered_gets_an_answer(days: float, work: bool) -> None:
    signed = issue("kubelet-server", signer=CA, now=NOW - datetime.timedelta(days=365 - days))  # for a year
    one = replace(item("w1", "kubelet-server", renewer=Renewer.KUBELET), certificate=from_pem(signed.pem.decode())[0])
    found = plan(inventory(one), ["cp1"], (), 30 * DAY)
    assert [each.host for each in found.kubelets] == (["w1"] if work else [])


def test_names_are_given_to_what_kubeadm_renews_and_to_nothing_else() -> None:
    lacking = [
        (item("cp1", "apiserver"), ["api.example.org"]),
        (item("cp1", "etcd-server"), ["10.0.0.9"]),
        (item("cp2", "apiserver", renewer=Renewer.EXTERNAL), ["api.example.org"]),
        (item("cp3", "apiserver"), ["api.example.org"]),
    ]
    found = plan_names(lacking, ["cp1", "cp2"])
    assert found.names == {"cp1": {"apiserver": ["api.example.org"], "etcd-server": ["10.0.0.9"]}}
    assert [(work.host, [one.name for one in work.due]) for work in found.work] == [
        ("cp1", ["apiserver", "etcd-server"]),
    ]
    assert [one.host for one in found.external] == ["cp2"]
    assert not plan_names([], ["cp1"])


def test_what_kubeadm_has_not_issued_is_named() -> None:
    lacking = [
        (item("cp1", "apiserver"), ["a"]),
        (item("cp1", "etcd-server", renewer=Renewer.KPROV), ["10.0.0.9"]),
        (item("cp2", "etcd-peer", renewer=Renewer.NOBODY), ["10.0.0.9"]),
    ]
    (problem,) = _not_issued(lacking, ["cp1"])
    assert (problem.host, problem.code, problem.severity) == ("cp1", "san-missing", "warning")
    assert "etcd-server" in problem.message
