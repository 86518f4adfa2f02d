"""Approving against an API server that speaks TLS, and kubelets that serve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kprov.certs.node import kubelet_approver as approver
from kprov.certs.node import scheduled
from kprov.certs.node.timer import CONFIG
from tests.unit.certs import pki
from tests.unit.certs.nodes import LOOPBACK, ApiServer, Node, TlsServer
from tests.unit.certs.requests import pkcs10, request
from tests.unit.certs.test_scheduled import configure, report

NODE = "/api/v1/nodes/w1"
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
OWN = {"address": LOOPBACK, "names": []}


@pytest.fixture
def api(plane: Node) -> Iterator[ApiServer]:
    made = pki.kubeadm()
    server = ApiServer(made.leaves["apiserver.crt"], plane.sockets["api"], {NODE: READY})
    yield server
    server.close()


def asks(api: ApiServer, *requests: dict[str, Any]) -> None:
    api.objects[approver.PENDING] = {"items": list(requests)}


def run(plane: Node, *wait_for: str, deadline: float = 0, **kubelet: Any) -> dict[str, Any]:
    kubelets = {"w1": {**OWN, "port": plane.ports["kubelet"], **kubelet}}
    return approver.approve_until(plane.ports["api"], kubelets, list(wait_for), deadline)


def test_what_is_right_is_approved_and_the_rest_named(plane: Node, api: ApiServer) -> None:
    right = request(pkcs10(sans=("w1", LOOPBACK)), name="right")
    forged = request(pkcs10(sans=("w2", LOOPBACK)), name="forged")
    decided = request(name="decided", status={"conditions": [{"type": "Denied"}]})
    asks(api, right, forged, decided)
    answer = run(plane)
    assert answer["approved"] == [{"request": "right", "node": "w1"}]
    assert [(one["request"], one["requestor"]) for one in answer["left"]] == [("forged", "system:node:w1")]
    ((path, put),) = api.put.items()
    assert path == f"{approver.PATH}/right/approval"
    assert put["spec"] == right["spec"]
    assert put["metadata"] == right["metadata"]  # with the version that was judged
    assert [(one["type"], one["status"]) for one in put["status"]["conditions"]] == [("Approved", "True")]


def test_only_the_last_of_a_kubelet_s_requests_is_of_use(plane: Node, api: ApiServer) -> None:
    good = pkcs10(sans=("w1", LOOPBACK))
    asks(api, request(good, name="old", age=900), request(good, name="new", age=5), request(good, name="mid", age=60))
    assert run(plane)["approved"] == [{"request": "new", "node": "w1"}]


def test_a_dry_run_approves_nothing(plane: Node, api: ApiServer) -> None:
    asks(api, request(pkcs10(sans=("w1", LOOPBACK)), name="right"))
    answer = approver.approve_until(plane.ports["api"], {"w1": OWN}, [], 0, dry_run=True)
    assert (answer["approved"], api.put) == ([{"request": "right", "node": "w1"}], {})


@pytest.mark.parametrize(
    ("conditions", "waited"), [("True", True), ("False", True), ("Unknown", False)], ids=["ready", "no CNI", "dead"]
)
def test_it_waits_for_kubelets_that_report(plane: Node, api: ApiServer, conditions: str, waited: bool) -> None:
    api.objects[NODE] = {"status": {"conditions": [{"type": "Ready", "status": conditions}]}}
    assert bool(run(plane, "w1")["missing"]) is waited


def test_a_node_that_has_not_joined_is_not_waited_for(plane: Node, api: ApiServer) -> None:
    del api.objects[NODE]
    assert run(plane, "w1")["missing"] == {}


def serves(plane: Node, pair: pki.Pair) -> dict[str, Any]:
    server = TlsServer(pair, plane.sockets["kubelet"])
    try:
        return run(plane, "w1")
    finally:
        server.close()


def test_a_kubelet_that_signs_its_own_was_not_told_to_ask(plane: Node, api: ApiServer) -> None:
    answer = serves(plane, pki.authority("w1@1"))
    assert (answer["own"], answer["missing"]) == (["w1"], {})


def test_one_that_the_cluster_signed_is_what_is_waited_for(plane: Node, api: ApiServer) -> None:
    answer = serves(plane, pki.issue(pki.kubeadm().ca, "system:node:w1", sans=("w1", LOOPBACK)))
    assert (answer["own"], answer["missing"]) == ([], {})


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"sans": ("w1", LOOPBACK), "days": -0.5}, "expired"),
        ({"sans": ("w1", "10.9.9.9")}, "IP address mismatch"),
        ({"sans": ("w1", LOOPBACK), "issuer": pki.authority("another")}, "unable to get local issuer"),
    ],
    ids=["ended", "another address", "another cluster's"],
)
def test_what_nobody_can_verify_is_waited_for(plane: Node, api: ApiServer, how: dict[str, Any], why: str) -> None:
    issuer = how.pop("issuer", pki.kubeadm().ca)
    answer = serves(plane, pki.issue(issuer, "system:node:w1", **how))
    assert why in answer["missing"]["w1"]


def test_an_api_server_that_is_away_is_said(plane: Node) -> None:
    answer = run(plane, "w1")
    assert (answer["approved"], answer["missing"]) == ([], {})
    assert "refused" in answer["error"]


def test_the_daily_check_approves_and_warns(plane: Node, servers: dict[str, Any]) -> None:
    kubelets = {"w1": {**OWN, "port": plane.ports["kubelet"]}}
    configure(plane, kubelets=kubelets, api_port=plane.ports["api"])
    right = request(pkcs10(sans=("w1", LOOPBACK)), name="right")
    asks(servers["api"], right, request(requestor="eve", name="forged"))
    assert scheduled.check() == 0
    assert list(servers["api"].put) == [f"{approver.PATH}/right/approval"]
    (finding,) = report(plane)["findings"]
    assert finding["severity"] == "warning"
    assert "forged" in finding["message"]
    assert "eve" in finding["message"]


def test_a_node_without_kubelets_to_look_after_does_not_ask(plane: Node, servers: dict[str, Any]) -> None:
    configure(plane)
    asks(servers["api"], request(requestor="eve"))
    assert scheduled.check() == 0
    assert report(plane)["findings"] == []
    assert plane.path(CONFIG).exists()
