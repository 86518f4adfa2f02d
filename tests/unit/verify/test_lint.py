"""The check of the nodes' settings: red where a node breaks, warnings only where the inventory does not ask for it."""

from __future__ import annotations

from dataclasses import replace

from kprov.errors import Problem
from kprov.lint.look import Looked
from kprov.verify.checks import lint
from tests.unit.factories import make_spec
from tests.unit.lint.nodes import good, running
from tests.unit.verify.fakes import world


def nodes(**fields: object) -> Looked:
    """cp1 as it should be, w1 with other fields."""
    return Looked((replace(good(), host="cp1"), running(good(), **fields)))


def test_a_warning_is_counted_and_not_red() -> None:
    looked = nodes(readOnlyPort=10255)
    check = lint.judge(replace(world(make_spec(1, 1)), looked=looked))
    assert check.ok
    assert "2 warnings" in check.detail  # kubelet-differs, too
    assert {(one.host, one.code) for one in lint.warnings(looked)} == {
        ("w1", "kubelet-differs"),
        ("w1", "read-only-port"),
    }


def test_an_error_is_red_on_its_host() -> None:
    check = lint.judge(replace(world(make_spec(1, 1)), looked=nodes(authorization={"mode": "AlwaysAllow"})))
    assert [(row.host, row.ok) for row in check.hosts] == [("cp1", True), ("w1", False)]
    assert check.detail.startswith("w1: authorization-mode: ")


def test_what_the_inventory_asks_for_is_no_warning_here() -> None:
    node = good(kubelet_config={"readOnlyPort": 10255})
    assert lint.warnings(Looked((node,))) == []


def test_a_host_that_is_silent_is_not_judged() -> None:
    looked = Looked((replace(good(), host="cp1"),), (Problem("error", "unreachable", "no answer", host="w1"),))
    check = lint.judge(replace(world(make_spec(1, 1)), looked=looked))
    assert check.ok
    assert "not judged: w1" in check.detail
