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


def test_kprov_has_nothing_to_change(inventory: str) -> None:
    """Who ran the playbooks by hand can go on with kprov: it looks at everything once, and then knows."""
    up = kprov("up", inventory, "--yes", "--no-verify")
    assert up.exit_code == 0, up.stderr
    assert up.data["changed"] == 0, up.stderr
    assert kprov("plan", inventory).exit_code == 0


def test_cluster_works(inventory: str) -> None:
    """DNS, traffic between nodes, Services, logs, exec, as a user of the cluster."""
    verify = kprov("verify", inventory)
    assert verify.exit_code == 0, verify.envelope
