"""`kprov certs schedule`: what is typed on top of the inventory, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.commands.certs_schedule import Wish, _not_in_inventory, _on_top, _with
from kprov.errors import InputError
from kprov.spec.cluster import ClusterSpec
from tests.unit.factories import make_spec

OWN = {"certificates_renew": False, "certificates_renew_window": "Sun 02:00-04:00", "certificates_check": "daily"}


def spec(**variables: Any) -> ClusterSpec:
    return _with(make_spec(3, 1), {**OWN, **variables})


@pytest.mark.parametrize(
    ("variables", "wish", "own"),
    [
        ({}, Wish(), {}),
        ({}, Wish(renew=True), {"certificates_renew": True}),
        ({}, Wish(renew=True, window="Sun 02:00-04:00"), {"certificates_renew": True}),
        ({"certificates_renew": True}, Wish(window="03:00-05:00"), {"certificates_renew_window": "03:00-05:00"}),
        ({"certificates_renew": True}, Wish(renew=False), {"certificates_renew": False}),
        ({"certificates_renew": True}, Wish(renew=True), {}),
    ],
)
def test_only_what_differs_is_on_top(variables: dict[str, Any], wish: Wish, own: dict[str, Any]) -> None:
    assert _on_top(spec(**variables), wish) == own
    assert bool(_not_in_inventory(own)) == bool(own)


def test_it_counts_for_every_host_and_the_next_run_is_announced() -> None:
    own = _on_top(spec(), Wish(renew=True, window="Sat 22:00-23:00"))
    assert {host.variables["certificates_renew_window"] for host in _with(spec(), own).hosts} == {"Sat 22:00-23:00"}
    (problem,) = _not_in_inventory(own)
    assert 'certificates_renew: true, certificates_renew_window: "Sat 22:00-23:00"' in (problem.hint or "")


@pytest.mark.parametrize(
    ("variables", "wish", "said"),
    [
        ({}, Wish(renew=True, window="at night"), "no window"),
        ({}, Wish(window="02:00-04:00"), "renewals, which are off"),
        ({"certificates_check": "never"}, Wish(renew=True), "nobody would hear"),
    ],
)
def test_what_cannot_be_is_refused(variables: dict[str, Any], wish: Wish, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _on_top(spec(**variables), wish)
