"""Where the rotation of a CA is: read from what control planes say, whatever was cut where."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.rotation import Plane, Rotation, Step, restarts, rotation, seen
from kprov.commands.rotation_report import Taken, report
from kprov.errors import ExitCode
from kprov.ui.result import Result
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node, of

OLD, NEW, STRANGER = (pki.authority("etcd-ca") for _ in range(3))
LEAVES = ("etcd-server", "etcd-peer")
HOSTS = ("cp1", "cp2", "cp3")
OLD_LEAF, NEW_LEAF, STRANGE_LEAF = (pki.issue(ca, "cp1") for ca in (OLD, NEW, STRANGER))


def certificate(pair: pki.Pair) -> Certificate:
    return from_pem(pair.pem)[0]


old, new, stranger = (certificate(pair) for pair in (OLD, NEW, STRANGER))
SIGNED = {ca: certificate(leaf) for ca, leaf in ((old, OLD_LEAF), (new, NEW_LEAF), (stranger, STRANGE_LEAF))}


def plane(host: str = "cp1", bundle: Sequence[Certificate] = (old,), by: Certificate = old, **fields: Any) -> Plane:
    return Plane(host, tuple(bundle), leaves=dict.fromkeys(LEAVES, SIGNED[by]), **fields)


def coming(host: str = "cp1", bundle: Sequence[Certificate] = (old,), by: Certificate = old, **fields: Any) -> Plane:
    return plane(host, bundle, by, next=new, next_signs=True, **fields)


AT_REST = [plane(host) for host in HOSTS]


def test_a_rotation_begins_only_for_the_ca_that_is_named() -> None:
    assert rotation(AT_REST, None).step is None
    found = rotation(AT_REST, old.serial)
    assert (found.step, found.hosts, found.old) == (Step.CREATE, HOSTS, old)


def test_the_command_that_has_ended_does_not_begin_another_rotation() -> None:
    done = [plane(host, [new], new) for host in HOSTS]
    found = rotation(done, old.serial)
    assert found.step is None
    assert found.refused == ""
    assert "is not in use any more" in found.why


STATES = [
    ("new CA on one of two", [coming("cp1"), plane("cp2")], Step.CREATE, ["cp2"]),
    ("its key was not written", [coming("cp1"), replace(coming("cp2"), next_signs=False)], Step.CREATE, ["cp2"]),
    ("new CA everywhere", [coming("cp1"), coming("cp2")], Step.TRUST, ["cp1", "cp2"]),
    ("trusted on one", [coming("cp1", [old, new]), coming("cp2")], Step.TRUST, ["cp2"]),
    ("written, not loaded", [coming("cp1", [old, new], loaded=False), coming("cp2", [old, new])], Step.TRUST, ["cp1"]),
    ("trusted everywhere", [coming("cp1", [old, new]), coming("cp2", [old, new])], Step.ISSUE, ["cp1", "cp2"]),
    ("leaves on one", [coming("cp1", [old, new], new), coming("cp2", [old, new])], Step.ISSUE, ["cp2"]),
    (
        "a control plane joined meanwhile",
        [coming("cp1", [old, new], new), plane("cp2", [old, new])],
        Step.CREATE,
        ["cp2"],
    ),
    (
        "leaves everywhere",
        [coming("cp1", [old, new], new), coming("cp2", [old, new], new)],
        Step.DISTRUST,
        ["cp1", "cp2"],
    ),
    ("the old one put aside", [coming("cp1", [old, new], new, old=old)], Step.DISTRUST, ["cp1"]),
    ("cut between key and bundle", [coming("cp1", [old, new], new, old=old, signs=False)], Step.DISTRUST, ["cp1"]),
    ("not loaded yet", [coming("cp1", [new], new, old=old, loaded=False)], Step.DISTRUST, ["cp1"]),
    ("one is done", [plane("cp1", [new], new), coming("cp2", [old, new], new)], Step.DISTRUST, ["cp2"]),
    (
        "renewed by hand with the old key while another one is done",
        [coming("cp1", [new], new), coming("cp2", [old, new])],
        Step.ISSUE,
        ["cp2"],
    ),
    ("cut while cleaning up", [plane("cp1", [new], new), plane("cp2", [new], new, next=new)], Step.DISTRUST, ["cp2"]),
]


@pytest.mark.parametrize(("planes", "step", "hosts"), [case[1:] for case in STATES], ids=[case[0] for case in STATES])
def test_what_was_cut_goes_on_where_it_was(planes: list[Plane], step: Step, hosts: list[str]) -> None:
    for replaced in (None, old.serial):
        found = rotation(planes, replaced)
        assert (found.step, list(found.hosts), found.new, found.refused) == (step, hosts, new, "")


REFUSED = [
    ("somebody's own bundle", [plane("cp1", [old, stranger])], "it trusts 2 CAs"),
    ("different CAs", [plane("cp1"), plane("cp2", [stranger], stranger)], "another CA than cp1"),
    ("an external CA", [plane("cp1", signs=False)], "the key of the CA is not there"),
    ("another CA's leaf", [plane("cp1", by=stranger)], "etcd-server, etcd-peer: not signed by this CA"),
    ("the old one, and no new one", [plane("cp1", old=stranger)], "still lies beside it"),
    ("two new ones", [coming("cp1"), plane("cp2", next=stranger, next_signs=True)], "different CAs that wait"),
    ("a third one", [coming("cp1", [old, new, stranger])], "more than one CA is trusted beside the new one"),
    ("not kubeadm's", [Plane("cp1", ())], "no CA of kubeadm's"),
    ("nothing signed", [Plane("cp1", (old,))], "nothing is signed by this CA"),
]


@pytest.mark.parametrize(("planes", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_kprov_did_not_do_is_refused_with_its_reason(planes: list[Plane], why: str) -> None:
    found = rotation(planes, old.serial)
    assert found.step is None
    assert why in found.refused


def test_another_rotation_is_not_mistaken_for_the_one_that_is_under_way() -> None:
    assert f"replaces {old.serial}, not {stranger.serial}" in rotation([coming()], stranger.serial).refused


# What a step does to one control plane, one write after the other; a cut comes between any two.
def write(step: Step, at: Plane) -> Iterator[Plane]:
    if step is Step.CREATE:
        yield replace(at, next=new, next_signs=True)
    elif step is Step.TRUST:
        both = at.bundle if new in at.bundle else (*at.bundle, new)
        yield replace(at, bundle=both, loaded=at.loaded and both == at.bundle)
        yield replace(at, bundle=both, loaded=True)
    elif step is Step.ISSUE:
        yield replace(at, leaves={**at.leaves, LEAVES[0]: SIGNED[new]})
        yield replace(at, leaves=dict.fromkeys(LEAVES, SIGNED[new]))
    else:
        if at.bundle != (new,):
            at = replace(at, old=old)
            yield at
            at = replace(at, signs=False)
            yield at
        at = replace(at, bundle=(new,), signs=True, loaded=False)
        yield at
        yield replace(at, loaded=True)


def clean(at: Plane) -> Iterator[Plane]:
    yield replace(at, old=None)
    yield replace(at, old=None, next_signs=False)
    yield replace(at, old=None, next=None, next_signs=False)


def run(planes: dict[str, Plane], found: Rotation, writes: int) -> int:
    """A step until it was cut, after so many writes; how many are left of them."""
    assert found.step
    passes: list[Callable[[Plane], Iterator[Plane]]] = [lambda at: write(found.step, at)]  # type: ignore[arg-type]
    passes += [clean] if found.step is Step.DISTRUST else []
    for each in passes:
        for host, before in list(planes.items()):
            for after in each(before):
                if writes == 0:
                    return 0
                planes[host] = after
                writes -= 1
    return writes


@settings(deadline=None)  # signatures are verified, thousands of them
@given(st.lists(st.integers(0, 12), max_size=30))
def test_a_rotation_that_is_cut_anywhere_any_number_of_times_ends_the_same(cuts: list[int]) -> None:
    planes = {host: plane(host) for host in HOSTS}
    whole = 100
    for writes in [*cuts, *[whole] * len(Step)]:
        found = rotation(list(planes.values()), old.serial)
        assert not found.refused
        if found.step is None:
            break
        run(planes, found, writes)
        # Nobody trusts only one CA while somebody shows the other one's certificate.
        shown = {leaf for each in planes.values() for leaf in each.leaves.values()}
        assert all(any(leaf.signed_by(ca) for ca in each.bundle) for each in planes.values() for leaf in shown)
    assert list(planes.values()) == [plane(host, [new], new) for host in HOSTS]
    assert rotation(list(planes.values()), old.serial).step is None


def test_only_etcds_ca_takes_restarts_and_only_where_trust_changes() -> None:
    once = ("etcd", "kube-apiserver")
    assert [restarts("etcd-ca", step) for step in Step] == [(), once, (), once]
    assert [restarts("front-proxy-ca", step) for step in Step] == [()] * 4


# The same, from the files and processes of a node.


def of_node(node: Node, authority: str = "etcd-ca") -> Plane:
    (found,) = seen(of(cp1=node.answer()), authority, ["cp1"])
    return found


@pytest.mark.usefixtures("servers")
def test_a_control_plane_at_rest(plane: Node) -> None:
    found = of_node(plane)
    assert (found.bundle, found.signs, found.next, found.old) == (
        (certificate(pki.kubeadm().etcd_ca),),
        True,
        None,
        None,
    )
    assert found.loaded
    assert {*found.leaves} == {"etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"}
    assert rotation([found], found.bundle[0].serial).step is Step.CREATE
    front = of_node(plane, "front-proxy-ca")
    assert {*front.leaves} == {"front-proxy-client"}


@pytest.mark.usefixtures("servers")
def test_what_lies_beside_a_ca_is_found_with_its_key(plane: Node) -> None:
    plane.pair(f"{PKI}/etcd/ca-next.crt", NEW)
    plane.pair(f"{PKI}/etcd/ca-old.crt", OLD)
    found = of_node(plane)
    assert (found.next, found.next_signs, found.old) == (new, True, old)
    plane.put(f"{PKI}/etcd/ca-next.key", OLD.key_pem)
    assert not of_node(plane).next_signs
    plane.remove(f"{PKI}/etcd/ca-next.key")
    assert not of_node(plane).next_signs
    assert of_node(plane, "front-proxy-ca").next is None


@pytest.mark.usefixtures("servers")
def test_a_process_that_is_older_than_the_bundle_has_not_loaded_it(plane: Node) -> None:
    plane.pair(f"{PKI}/etcd/ca-next.crt", NEW)
    bundle = plane.put(f"{PKI}/etcd/ca.crt", pki.kubeadm().etcd_ca.pem + NEW.pem)
    assert of_node(plane).loaded
    os.utime(bundle, (bundle.stat().st_mtime + 60,) * 2)
    found = of_node(plane)
    assert not found.loaded
    assert rotation([found], None).step is Step.TRUST


@pytest.mark.usefixtures("servers")
def test_the_api_server_reads_the_front_proxys_bundle_again(plane: Node) -> None:
    bundle = plane.put(f"{PKI}/front-proxy-ca.crt", pki.kubeadm().front_proxy_ca.pem + NEW.pem)
    os.utime(bundle, (bundle.stat().st_mtime + 60,) * 2)
    assert of_node(plane, "front-proxy-ca").loaded


@pytest.mark.usefixtures("servers")
def test_a_ca_that_lies_elsewhere_is_not_kubeadms(plane: Node) -> None:
    """Kubespray's etcd is a service of the machine, with a CA in /etc/ssl/etcd."""
    for name in ("etcd/ca.crt", "etcd/ca.key"):
        plane.remove(f"{PKI}/{name}")
    assert "no CA of kubeadm's" in rotation([of_node(plane)], "1").refused


# What people and scripts are told.


def printed(planes: list[Plane], replaced: str | None, taken: tuple[Taken, ...] = ()) -> tuple[str, Result]:
    text = io.StringIO()
    result = report("c", "etcd-ca", rotation(planes, replaced), planes, taken, (), 1.0)
    result.render(Console(file=text, width=200))
    return text.getvalue(), result


def test_at_rest_the_command_that_begins_is_said() -> None:
    text, result = printed([plane()], None)
    assert f"kprov certs rotate-ca etcd-ca --replace {old.serial}" in text
    assert result.exit_code == ExitCode.OK


def test_the_next_step_and_its_restarts_are_said() -> None:
    text, result = printed([coming("cp1"), coming("cp2", [old, new])], None)
    assert "next is trust" in text
    assert "restarts etcd and kube-apiserver" in text
    assert (result.exit_code, result.data["next_step"]) == (ExitCode.FOUND, "trust")


def test_who_signed_each_leaf_is_in_the_document() -> None:
    at = replace(coming("cp1", [old, new]), leaves={"a": SIGNED[old], "b": SIGNED[new], "c": SIGNED[stranger]})
    _, result = printed([at], None, (Taken("trust", 1.0, ("cp1: proof",), "/log"),))
    assert result.data["hosts"][0]["leaves"] == {"a": old.serial, "b": new.serial, "c": None}
    assert result.exit_code == ExitCode.OK, "a step was taken"
