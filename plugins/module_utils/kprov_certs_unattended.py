"""A control plane renews its own certificates, one control plane at a time, when nobody is there.

The steps and their proofs are those of a renewal from the controller (roles/certs_renew): the same code.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils.kprov_certificate import rfc3339
from ansible.module_utils.kprov_certs_api import Api, kubeadm_config
from ansible.module_utils.kprov_certs_copies import refresh, replaced
from ansible.module_utils.kprov_certs_gate import judge, judge_cluster
from ansible.module_utils.kprov_certs_reload import Reload
from ansible.module_utils.kprov_certs_renewal import Renewal
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_certs import due, items, present, seconds
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeadm_wait import wait
from ansible.module_utils.kprov_lease import CLUSTER, Lease
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import pki_directory, pods
from ansible.module_utils.kprov_window import window_end

# Longer than any single step: the longest is a snapshot of etcd, ten minutes at most. Renewed before each step.
LEASE_SECONDS = 900
POLL = 5.0
WELL_SECONDS = 120.0


class Refused(Exception):
    """Nothing was changed; the message says why."""


class Unattended:
    """One run on one control plane.

    config: window, within, bin_dir, kubeconfigs, backups_kept. report: gets what is known so far.
    """

    def __init__(self, config: dict, report: dict) -> None:
        self._config = config
        self._report = report
        self._pods = pods()
        if "kube-apiserver" not in self._pods:
            raise Refused("no static pod kube-apiserver: this is no control plane that kubeadm made")
        self._known = items(pki_directory(self._pods))
        self._lease = Lease(Api(self._pods["kube-apiserver"]), CLUSTER, socket.gethostname(), LEASE_SECONDS)
        self._planes = 0

    def rehearse(self) -> None:
        """Everything up to the first change. Raises Refused, StepError, CertificateProblem."""
        todo = self._todo()
        problems = self._problems()
        if problems:
            raise Refused("; ".join(problems))
        find_program("kubeadm", self._config["bin_dir"])
        kubeadm_config(self._pods["kube-apiserver"], "", runtime_endpoint())
        self._lease.holder(time.time())
        self._end("rehearsed", f"would renew {', '.join(todo)}" if todo else "nothing would have to be done")

    def run(self) -> None:
        """Renew what is due and bring it into use. Raises Refused, or what the step that failed raises."""
        if not self._todo():
            self._end("nothing", f"everything has more than {self._config['within']} left and is in use")
            return
        end = window_end(self._config["window"], time.time())
        if end is None:
            raise Refused(f"it is not {self._config['window']} now. `kprov certs renew` renews at once")
        self._wait_for_turn(end)
        self._report["turn"] = rfc3339(time.time())
        try:
            with node_lock() as lock:
                self._renew(lock)
        except LockTimeout as error:
            self._lease.release()
            raise Refused(str(error)) from error
        self._lease.release()  # after a failure it stays until it runs out: no other control plane follows at once
        self._end("renewed", f"{', '.join(self._report['renewed']) or 'what was renewed before'}; everything is in use")

    def _todo(self) -> list[str]:
        """Certificates that are due, and components that do not use theirs."""
        within = seconds(self._config["within"])
        found = due(self._known, present(self._known), [], within, time.time())
        unused = Reload(self._config["bin_dir"], may_restart=False, check_mode=True)
        unused.run()
        return [*found, *unused.changes]

    def _problems(self) -> list[str]:
        """What speaks against a renewal now, on this control plane and on the others."""
        _, here = judge(time.time(), recover=False)
        self._planes, there = judge_cluster(self._pods)
        return list(dict.fromkeys([*here, *there]))

    def _wait_for_turn(self, end: float) -> None:
        """Until all is well and the lock is ours. Raises Refused when the window closes before."""
        while True:
            why = self._why_not()
            if why is None:
                return
            if time.time() + POLL >= end:
                raise Refused(f"not within {self._config['window']}: {why}")
            if self._report["message"] != why:
                self._say(f"waits: {why}")
                self._report["message"] = why
            time.sleep(POLL)

    def _why_not(self) -> str | None:
        try:
            problems = self._problems()
            why = "; ".join(problems) or self._lease.take(time.time())
            if why is None:
                problems = self._problems()  # whoever had it may have just ended, and not well
                why = "; ".join(problems) or None
                if why:
                    self._lease.release()
        except StepError as error:
            return str(error)
        return why

    def _renew(self, lock: int | None) -> None:
        config, found = self._config, present(self._known)
        etcd = Etcd(self._pods["etcd"]) if "etcd" in self._pods else None
        self._report["backup"] = backups.make(found, etcd, time.time())["directory"]
        backups.forget_old(config["backups_kept"])
        self._lease.renew(time.time())
        wanted = {"only": [], "within": config["within"], "bin_dir": config["bin_dir"]}
        renewed = Renewal({**wanted, "config": "", "recover": False}, lock, check_mode=False).run()
        self._report["renewed"] = renewed["renewed"]
        for line in (*renewed["changes"], *renewed["warnings"]):
            self._say(line)
        self._lease.renew(time.time())
        # With three control planes the others go on, should an API server or etcd not take its files by itself.
        reload = Reload(config["bin_dir"], may_restart=self._planes >= 3, check_mode=False)
        try:
            reload.run()
        finally:
            self._report["changes"] = reload.changes
        self._report["proofs"] = reload.proofs
        for path in config["kubeconfigs"]:
            if os.path.exists(real(path)):
                refresh(path, replaced(), check_mode=False)
        wait("the control plane was not healthy", WELL_SECONDS, lambda: "; ".join(self._problems()) or None)

    def _end(self, result: str, message: str) -> None:
        self._report.update(result=result, message=message)

    def _say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
