"""Runs one step of the playbook certs_rotate_ca under the cluster's lock, and keeps the backups that it fetches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kprov.certs.rotation import Step
from kprov.engine.backups import backup_home, keep
from kprov.engine.events import Event
from kprov.engine.journal import Journal
from kprov.engine.lock import controller_lock
from kprov.engine.locked import LockedRun, run_locked
from kprov.engine.run import Outcome
from kprov.spec.cluster import ClusterSpec

OPERATION = "certs rotate-ca"
PLAYBOOK = "certs_rotate_ca"


def run_step(
    spec: ClusterSpec,
    authority: str,
    step: Step,
    on_event: Callable[[Event], None],
    *,
    accept_outage: bool,
    break_lock: bool,
    accept_new_host_keys: bool,
) -> tuple[Outcome, Path]:
    """(what came of it, Ansible's log). Always over all control planes: the step finds out what is missing of it.

    Raises LockedError, AnsibleError; a failed task is part of the answer.
    """
    planes = spec.group("kube_control_plane")
    own = planes[0].variables
    elsewhere = own["certs_renew_backup_directory"]
    home = backup_home(spec.name)
    hosts: dict[str, Any] = {host.name: {} for host in planes}
    with controller_lock(spec.name, OPERATION):
        journal = Journal(spec.name, OPERATION)
        wanted = LockedRun(
            operation=OPERATION,
            spec=spec,
            playbooks=[PLAYBOOK],
            generated={"all": {"hosts": hosts}},
            variables={
                "certs_rotate_ca_authority": authority,
                "certs_rotate_ca_step": step.value,
                "certs_renew_accept_outage": accept_outage or own["certs_renew_accept_outage"],
                "certs_renew_backup_directory": str(elsewhere or home),
            },
            lock_host=planes[0].name,
            on_event=on_event,
            break_lock=break_lock,
            accept_new_host_keys=accept_new_host_keys,
        )
        try:
            return run_locked(wanted, journal), journal.ansible_log
        finally:
            journal.close()
            if not elsewhere:
                keep(home, int(own["certs_renew_backups_kept"]))
