"""Variables of the phase `certificates`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.inventories import machines, only_error, problems, with_variable

WINDOW, WITHIN = "certificates_renew_window", "certificates_renew_within"


def test_kubelets_that_ask_need_somebody_who_answers() -> None:
    (error,) = problems(machines("cp1", "node1", kubelet_server_tls_bootstrap=True, certificates_check="never"))
    assert (error.code, error.severity) == ("certificates", "error")
    assert "nobody approves the next certificate of its kubelet" in error.message


@pytest.mark.parametrize(("asks", "check"), [(True, "daily"), (True, "hourly"), (False, "never")])
def test_otherwise_nothing_is_said(asks: bool, check: str) -> None:
    assert problems(machines("cp1", "node1", kubelet_server_tls_bootstrap=asks, certificates_check=check)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (WINDOW, "02:00-04:00"),
        (WINDOW, "Sat,Sun 22:30-01:00"),
        (WINDOW, "Mon..Fri,Sun 23:55-00:00"),
        (WITHIN, "12h"),
        ("certificates_renew", True),
    ],
)
def test_sensible_values_are_silent(name: str, value: Any) -> None:
    assert problems(with_variable(name, value)) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (WINDOW, "Sunday 02:00-04:00", "is no window"),
        (WINDOW, "Sun 2:00-4:00", "is no window"),
        (WINDOW, "Sun 24:00-04:00", "is no window"),
        (WINDOW, "Sun 02:00", "is no window"),
        (WINDOW, "Sun 02:00-02:04", "shorter than 5 minutes"),
        (WINDOW, "Sun 02:00-02:00", "shorter than 5 minutes"),
        (WITHIN, "", "is not a span of time"),
        (WITHIN, "soon", "is not a span of time"),
    ],
)
def test_what_cannot_be_is_said_before_any_host_is_touched(name: str, value: Any, message: str) -> None:
    error = only_error(with_variable(name, value))
    assert (error.code, message in error.message) == ("certificates", True)
