"""Variables of `kprov certs renew`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.inventories import only_error, problems, with_variable


@pytest.mark.parametrize(
    ("name", "value"),
    [("certs_renew_within", "1d12h"), ("certs_renew_within", ""), ("certs_renew_backups_kept", 1)],
)
def test_sensible_values_are_silent(name: str, value: Any) -> None:
    assert problems(with_variable(name, value)) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("certs_renew_within", "soon", "'soon' is not a span of time"),
        ("certs_renew_within", "30 d", "is not a span of time"),
        ("certs_renew_backups_kept", 0, "keeps no backup"),
    ],
)
def test_what_cannot_be_is_said_before_any_host_is_touched(name: str, value: Any, message: str) -> None:
    error = only_error(with_variable(name, value))
    assert error.code == "certs-renew"
    assert message in error.message
