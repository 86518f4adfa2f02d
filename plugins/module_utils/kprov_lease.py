"""A Lease in the API as a lock between machines: its holder has it until it gives it back or no longer renews it.

The same object and the same rules as those of leader election (client-go, tools/leaderelection): whoever writes it with
the version that it has read, has it; a second one is told 409. https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import calendar
import datetime
import time

from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_kubeadm_run import StepError

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
# By how much clocks of control planes may differ, as for a renewal from the controller (roles/certs_renew/vars).
CLOCKS = 30.0
FORMAT = "%Y-%m-%dT%H:%M:%S"
# Who changes the control planes: a run of kprov, beside its lock file (which works with the API dead, but only on one
# node), or a control plane that renews its own certificates.
CLUSTER = "kprov"


class Lease:
    """One Lease in kube-system. identity: who asks. seconds: for how long it is ours without a renewal."""

    def __init__(self, api: Api, name: str, identity: str, seconds: int) -> None:
        self._api = api
        self._name = name
        self._identity = identity
        self._seconds = seconds

    def holder(self, now: float) -> str | None:
        """Who else has it; None if it can be had. Raises StepError when the API gives no answer."""
        return self._other(self._read(), now)

    def take(self, now: float, force: bool = False) -> str | None:
        """None when it is ours, else who has it; with force, whoever has it. Raises StepError without an answer."""
        lease = self._read()
        other = self._other(lease, now)
        if other and not force:
            return other
        moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime(FORMAT + ".%fZ")
        spec = (lease or {}).get("spec") or {}
        mine = spec.get("holderIdentity") == self._identity
        wanted = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._seconds,
            "acquireTime": spec.get("acquireTime") if mine else moment,
            "renewTime": moment,
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if mine or lease is None else 1),
        }
        return self._write(lease, wanted)

    def renew(self, now: float) -> None:
        """Go on having it. Raises StepError when somebody else has it, or the API gives no answer."""
        other = self.take(now)
        if other:
            raise StepError(f"the lock was lost: {other}")

    def release(self) -> None:
        """Give it back, if it is ours. Raises StepError when the API gives no answer."""
        lease = self._read()
        spec = (lease or {}).get("spec") or {}
        if lease and spec.get("holderIdentity") == self._identity:
            self._write(lease, {**spec, "holderIdentity": "", "leaseDurationSeconds": 1})

    def _read(self) -> dict | None:
        status, lease = self._api.ask("GET", f"{LEASES}/{self._name}")
        if status == 404:
            return None
        if status != 200 or not isinstance(lease, dict):
            raise StepError(f"Lease kube-system/{self._name} cannot be read: {status} {lease}")
        return lease

    def _write(self, lease: dict | None, spec: dict) -> str | None:
        """With the version that was read, so that of two at once only one gets through."""
        meta = (lease or {}).get("metadata") or {"name": self._name, "namespace": "kube-system"}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        method, path = ("PUT", f"{LEASES}/{self._name}") if lease else ("POST", LEASES)
        status, answer = self._api.ask(method, path, body)
        if status == 409:
            return f"Lease kube-system/{self._name} was taken by somebody else at the same moment"
        if status not in (200, 201):
            raise StepError(f"Lease kube-system/{self._name} cannot be written: {status} {answer}")
        return None

    def _other(self, lease: dict | None, now: float) -> str | None:
        spec = (lease or {}).get("spec") or {}
        name = spec.get("holderIdentity") or ""
        if name in ("", self._identity):
            return None
        renewed = str(spec.get("renewTime") or "")
        try:
            ends = calendar.timegm(time.strptime(renewed[:19], FORMAT)) + int(spec.get("leaseDurationSeconds") or 0)
        except ValueError:
            return f"{name} has Lease kube-system/{self._name}, since an unknown time"
        if ends + CLOCKS <= now:
            return None
        return (
            f"{name} has Lease kube-system/{self._name} until {time.strftime(FORMAT, time.gmtime(ends))}Z at the latest"
        )
