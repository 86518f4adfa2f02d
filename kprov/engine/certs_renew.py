"""Runs the playbooks certs_renew, certs_csr, certs_restore and certs_kubeconfig under the cluster's lock.

Keeps the backups that they fetch.
"""

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

RENEW, IMPORT, EXPORT = "certs renew", "certs csr import", "certs csr export"
PLAYBOOK, REQUESTS = "certs_renew", "certs_csr"
RESTORE, REBUILD = "certs_restore", "certs_kubeconfig"
GROUP = "todo_certs_renew"
KUBELETS = "todo_certs_renew_kubelets"
ETCD = "todo_certs_renew_etcd"


@dataclass(frozen=True)
class Request:
    """hosts: control planes with something to do; kubelets, etcd: nodes whose kubelet has, whose etcd (a service) has.

    only, within, recover, names: as the role's variables. signed: host to item to certificate, PEM, that a CA elsewhere
    has signed; with it nothing else is renewed, and every host has some. operation: as typed.
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
    signed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    operation: str = RENEW


@dataclass(frozen=True)
class Ran:
    """log: Ansible's. backups: host to bytes of what was fetched, where kprov keeps it."""

    operation: str
    outcome: Outcome
    log: Path
    backups: Mapping[str, int] = field(default_factory=dict)


def run_renewal(request: Request) -> Ran:
    """One ansible-playbook. Raises LockedError, AnsibleError; a failed task is part of the answer."""
    spec = request.spec
    own = spec.group("kube_control_plane")[0].variables
    elsewhere = own["certs_renew_backup_directory"]
    home = backup_home(spec.name)
    variables = {
        "certs_renew_accept_outage": request.accept_outage or own["certs_renew_accept_outage"],
        "certs_renew_backup_directory": str(elsewhere or home),
        "certs_renew_recover": request.recover,
        "certs_renew_names": {host: dict(names) for host, names in request.names.items()},
    }
    sizes: Mapping[str, int] = {}
    with controller_lock(spec.name, request.operation):
        try:
            outcome, log = _run(request, PLAYBOOK, variables)
        finally:
            sizes = {} if elsewhere else keep(home, int(own["certs_renew_backups_kept"]))
    return Ran(request.operation, outcome, log, {host: size for host, size in sizes.items() if host in request.hosts})


def run_requests(request: Request) -> Ran:
    """Have requests wait on the hosts for certificates that another CA signs. Raises as run_renewal."""
    with controller_lock(request.spec.name, request.operation):
        return Ran(request.operation, *_run(request, REQUESTS, {}))


def run_restore(request: Request, backup: str, *, accept_expired: bool) -> Ran:
    """Put the certificates of a backup back. backup: its name on the host. Raises as run_renewal."""
    chosen = {"certs_renew_restore_from": backup, "certs_renew_accept_expired": accept_expired}
    with controller_lock(request.spec.name, request.operation):
        return Ran(request.operation, *_run(request, RESTORE, {**chosen, "todo_certs_restore": GROUP}))


def run_rebuild(request: Request, files: Mapping[str, Mapping[str, str]]) -> Ran:
    """Rebuild kubeconfigs. files: as the role's variable certs_renew_rebuild. Raises as run_renewal."""
    wanted = {"certs_renew_rebuild": {host: dict(broken) for host, broken in files.items()}}
    with controller_lock(request.spec.name, request.operation):
        return Ran(request.operation, *_run(request, REBUILD, wanted))


def _run(request: Request, playbook: str, variables: dict[str, Any]) -> tuple[Outcome, Path]:
    """(what came of it, Ansible's log)."""
    spec = request.spec
    planes = [host.name for host in spec.group("kube_control_plane")]
    chosen = {"certs_renew_only": list(request.only), "certs_renew_within": request.within}
    hosts: dict[str, Any] = {name: {} for name in dict.fromkeys([*planes, *request.kubelets, *request.etcd])}
    for name, certificates in request.signed.items():
        hosts[name]["certs_renew_signed"] = dict(certificates)
    children: dict[str, Any] = {
        GROUP: {"hosts": {name: {} for name in request.hosts}},
        KUBELETS: {"hosts": {name: {} for name in request.kubelets}},
        ETCD: {"hosts": {name: {} for name in request.etcd}},
    }
    journal = Journal(spec.name, request.operation)
    wanted = LockedRun(
        operation=request.operation,
        spec=spec,
        playbooks=[playbook],
        generated={"all": {"hosts": hosts, "children": children}},
        variables={**chosen, **variables, GROUP: GROUP, KUBELETS: KUBELETS, ETCD: ETCD},
        lock_host=planes[0],
        on_event=request.on_event,
        break_lock=request.break_lock,
        accept_new_host_keys=request.accept_new_host_keys,
    )
    try:
        return run_locked(wanted, journal), journal.ansible_log
    finally:
        journal.close()
