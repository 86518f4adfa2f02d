"""What all phases together must have made: a cluster that works, and nothing unfinished on any node."""

from __future__ import annotations

from testinfra.host import Host

from kprov.phases.catalog import PHASES
from tests.e2e.cluster import kprov

ON_EVERY_NODE = [phase.name for phase in PHASES if phase.hosts == "k8s_cluster"]


def test_phases_are_finished(host: Host) -> None:
    found = host.check_output("ls /var/lib/kprov/phases").split()
    assert {f"{name}.json" for name in ON_EVERY_NODE} <= set(found)
    assert not [name for name in found if name.endswith(".dirty")]


def test_kprov_finds_nothing_but_the_missing_record(inventory: str) -> None:
    """Every phase counts as finished; with which inputs, only a run of kprov could have said."""
    reasons = {reason for step in kprov("plan", inventory).data["steps"] for reason in step["reasons"]}
    assert reasons == {"was run without kprov, so its inputs are unknown"}


def test_cluster_works(inventory: str) -> None:
    """DNS, traffic between nodes, Services, logs, exec, as a user of the cluster."""
    verify = kprov("verify", inventory)
    assert verify.exit_code == 0, verify.envelope
