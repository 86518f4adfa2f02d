"""What phase certificates must have done: a timer that is on, and a check that has run and says what is true."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

REPORT = "/var/lib/kprov/certs-check.json"

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "the timer runs": ("systemctl is-active kprov-certs-check.timer", "active"),
    "the timer runs after a boot": ("systemctl is-enabled kprov-certs-check.timer", "enabled"),
    "systemd knows when it is next": (
        "systemctl show -p NextElapseUSecRealtime kprov-certs-check.timer | grep -c '=[A-Z]'",
        "1",
    ),
    "its last run was good": ("systemctl show -p Result --value kprov-certs-check.service", "success"),
    "only root reads its report": (f"stat -c %a {REPORT}", "600"),
    "the phase is finished": ("ls /var/lib/kprov/phases | grep ^certificates", "certificates.json"),
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected


def test_it_found_all_well(host: Host) -> None:
    report = json.loads(host.check_output(f"cat {REPORT}"))
    assert (report["worst"], report["findings"], report["unread"]) == ("ok", [], [])


def test_it_notices_a_certificate_that_ends_soon(host: Host) -> None:
    """With a limit far above what is left, the unit fails, and the journal says which certificates."""
    with_limit = "sed 's/_days\": [0-9]*/_days\": 100000/' /etc/kprov/certs-check.json"
    try:
        host.check_output(
            f"cp /etc/kprov/certs-check.json /run/kept && {with_limit} /run/kept > /etc/kprov/certs-check.json"
        )
        assert host.run("systemctl start kprov-certs-check.service").rc != 0
        said = host.check_output("journalctl -o cat -p err -u kprov-certs-check.service --since -1min")
        assert "apiserver expires in 36" in said
        assert host.check_output("systemctl show -p ExecMainStatus --value kprov-certs-check.service") == "3"
    finally:
        host.check_output("cat /run/kept > /etc/kprov/certs-check.json; systemctl start kprov-certs-check.service")
