"""Variables of the phase `certificates`."""

from __future__ import annotations

import pytest

from tests.unit.spec.inventories import machines, problems


def test_kubelets_that_ask_need_somebody_who_answers() -> None:
    (error,) = problems(machines("cp1", "node1", kubelet_server_tls_bootstrap=True, certificates_check="never"))
    assert (error.code, error.severity) == ("certificates", "error")
    assert "nobody approves the next certificate of its kubelet" in error.message


@pytest.mark.parametrize(("asks", "check"), [(True, "daily"), (True, "hourly"), (False, "never")])
def test_otherwise_nothing_is_said(asks: bool, check: str) -> None:
    assert problems(machines("cp1", "node1", kubelet_server_tls_bootstrap=asks, certificates_check=check)) == []
