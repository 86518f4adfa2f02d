"""Runs the playbook certs_renew under the cluster's lock, and keeps the backups that it fetches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.engine.backups import backup_home, keep
from kprov.engine.events import Event
from kprov.engine.journal import Journal
from kprov.engine.lock import controller_lock
from kprov.engine.locked import LockedRun, run_locked
from kprov.engine.run import Outcome
from kprov.spec.cluster import ClusterSpec

OPERATION = "certs renew"
PLAYBOOK = "certs_renew"
GROUP = "todo_certs_renew"
KUBELETS = "todo_certs_renew_kubelets"
ETCD = "todo_certs_renew_etcd"


@dataclass(frozen=True)
class Request:
    """hosts: control planes with something to do; kubelets, etcd: nodes whose kubelet has, whose etcd (a service) has.

    only, within, recover, names: as the role's variables.
    """

    spec: ClusterSpec
    hosts: Sequence[str]
    only: Sequence[str]
    within: str
    kubelets: Sequence[str]
    etcd: Sequence[str]
    recover: bool
    on_event: Callable[[Event], None]
    names: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    accept_outage: bool = False
    break_lock: bool = False
    accept_new_host_keys: bool = False


@dataclass(frozen=True)
class Ran:
    """log: Ansible's. backups: host to bytes of the backup that was fetched, where kprov keeps it."""

    outcome: Outcome
    log: Path
    backups: Mapping[str, int] = field(default_factory=dict)


def run_renewal(request: Request) -> Ran:
    """One ansible-playbook. Raises LockedError, AnsibleError; a failed task is part of the answer."""
    spec = request.spec
    planes = [host.name for host in spec.group("kube_control_plane")]
    own = spec.host(planes[0]).variables
    home = backup_home(spec.name)
    elsewhere = own["certs_renew_backup_directory"]
    variables = {
        "certs_renew_only": list(request.only),
        "certs_renew_within": request.within,
        "certs_renew_accept_outage": request.accept_outage or own["certs_renew_accept_outage"],
        "certs_renew_backup_directory": str(elsewhere or home),
        "certs_renew_recover": request.recover,
        "certs_renew_names": {host: dict(names) for host, names in request.names.items()},
        GROUP: GROUP,
        KUBELETS: KUBELETS,
        ETCD: ETCD,
    }
    hosts: dict[str, Any] = {name: {} for name in dict.fromkeys([*planes, *request.kubelets, *request.etcd])}
    children: dict[str, Any] = {
        GROUP: {"hosts": {name: {} for name in request.hosts}},
        KUBELETS: {"hosts": {name: {} for name in request.kubelets}},
        ETCD: {"hosts": {name: {} for name in request.etcd}},
    }
    with controller_lock(spec.name, OPERATION):
        journal = Journal(spec.name, OPERATION)
        wanted = LockedRun(
            operation=OPERATION,
            spec=spec,
            playbooks=[PLAYBOOK],
            generated={"all": {"hosts": hosts, "children": children}},
            variables=variables,
            lock_host=planes[0],
            on_event=request.on_event,
            break_lock=request.break_lock,
            accept_new_host_keys=request.accept_new_host_keys,
        )
        try:
            outcome = run_locked(wanted, journal)
        finally:
            journal.close()
            sizes = {} if elsewhere else keep(home, int(own["certs_renew_backups_kept"]))
    fetched = {host: size for host, size in sizes.items() if host in request.hosts}
    return Ran(outcome, journal.ansible_log, fetched)
