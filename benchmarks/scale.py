"""Validation and plan of large inventories: kprov's own work, growth with the number of hosts.

The hosts are a recorded probe (the state of a converged cluster), so nothing but kprov is measured. The
`ansible-inventory` process that resolves variables is shown apart. Design target: 200 hosts in less than 2 s.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.table import print_table
from benchmarks.timing import timed
from kprov.phases.plan import build_plan
from kprov.spec.load import load
from tests.unit.factories import converged_states, make_state

SIZES = (10, 50, 200)


def write_inventory(directory: Path, hosts: int) -> Path:
    """Three control planes and the rest workers, in 10.8.0.0/16, with host_vars for every tenth host."""
    names = [f"node{n}" for n in range(1, hosts + 1)]
    lines = [f"{name} ansible_host=10.8.{n // 250}.{n % 250 + 1}" for n, name in enumerate(names)]
    groups = ["", "[kube_control_plane]", *names[:3], "", "[kube_node]", *names[3:], ""]
    (directory / "inventory.ini").write_text("\n".join(lines + groups))
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "all.yml").write_text(
        "cluster_name: bench\nkubernetes_version: '1.36'\npod_cidr: 10.128.0.0/10\nkubelet_max_pods: 200\n"
    )
    (directory / "host_vars").mkdir()
    for name in names[::10]:
        (directory / "host_vars" / f"{name}.yml").write_text("kubelet_max_pods: 150\n")
    return directory / "inventory.ini"


def measure(hosts: int) -> list[object]:
    """One row of the table; the columns are named in main()."""
    with tempfile.TemporaryDirectory() as directory:
        inventory = write_inventory(Path(directory), hosts)
        ansible = Path(sys.executable).parent / "ansible-inventory"
        listing = timed(
            lambda: subprocess.run([ansible, "-i", inventory, "--list"], check=True, capture_output=True)
        ).best
        load_all = timed(lambda: load(inventory)).best
        spec = load(inventory).spec
        states = converged_states(spec)
        idle = timed(lambda: build_plan(spec, states)).best
        assert build_plan(spec, states).empty
        new = {host.name: replace(make_state(host.name)) for host in spec.hosts}
        full = timed(lambda: build_plan(spec, new)).best
        own = max(load_all - listing, 0.0) + idle
        return [hosts, listing, load_all, idle, full, own, f"{own / hosts * 1000:.1f}"]


def main() -> None:
    columns = ["hosts", "ansible-inventory", "load", "plan, nothing to do", "plan, all new", "own work", "own ms/host"]
    print_table("Inventory to plan (seconds)", columns, [measure(hosts) for hosts in SIZES])


if __name__ == "__main__":
    main()
