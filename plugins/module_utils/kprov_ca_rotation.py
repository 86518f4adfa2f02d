"""The steps of a CA's rotation on one control plane. Each may be done again, also after it was cut anywhere."""

from __future__ import annotations

import os
import time

from ansible.module_utils import kprov_ca_aggregation as aggregation
from ansible.module_utils import kprov_ca_probe as probe
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_ca_files import AUTHORITIES, Files, Pair
from ansible.module_utils.kprov_ca_sign import Signer
from ansible.module_utils.kprov_certificate import from_pem
from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_certs_reload import HEALTH_SECONDS, RELOAD_SECONDS, START_SECONDS
from ansible.module_utils.kprov_containers import containers_of_node
from ansible.module_utils.kprov_etcd import Etcd
from ansible.module_utils.kprov_kubeadm_certs import items
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeadm_wait import wait
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import pki_directory, pods

NEXT, OLD = "-next", "-old"


class Rotation:
    """Of one CA, here. may_restart: whether etcd and the API server may be. Raises StepError, OSError, ValueError."""

    def __init__(self, parameters: dict, lock: int | None, check_mode: bool) -> None:
        self._authority = AUTHORITIES[parameters["authority"]]
        self._pods = pods()
        if "kube-apiserver" not in self._pods:
            raise StepError("no static pod kube-apiserver: this is no control plane that kubeadm made")
        self._pki = pki_directory(self._pods)
        self.files = Files(self._authority, self._pki)
        self._parameters, self._lock = parameters, lock
        self._check_mode = check_mode
        self._api = Api(self._pods["kube-apiserver"])
        self.changes: list[str] = []
        self.proofs: list[str] = []

    def offer(self) -> Pair | None:
        """The new CA, if it is here."""
        return self.files.beside(NEXT)

    def make(self) -> Pair | None:
        """A new CA; it gets its place by keep()."""
        self.changes.append(f"a new {self._authority.name}")
        return None if self._check_mode else self._signer().new_authority()

    def keep(self, pair: Pair) -> None:
        """Put the new CA beside the old one."""
        present = self.files.beside(NEXT)
        if (present and present.sha256 == pair.sha256) or self.files.trusted() == {pair.sha256}:
            return
        self.changes.append(f"{self.files.base}{NEXT}.crt")
        if not self._check_mode:
            self.files.put_beside(NEXT, pair)

    def trust(self) -> None:
        """Both CAs, on everything here."""
        new, trusted = self._next(), self.files.trusted()
        if new.sha256 not in trusted:
            self.changes.append(f"{self.files.crt}: the new CA beside the old one")
            if not self._check_mode:
                self.files.trust([*self.files.bundle(), new.certificate])
        self._bring_into_use()
        self.prove()

    def prove(self) -> None:
        """Certificates of the new CA are accepted here."""
        if not self._check_mode:
            self._wait_for(probe.ACCEPTED, "new", self._next())
            self._published(self._next())

    def issue(self) -> None:
        """Every leaf from the new CA."""
        new = self._next()
        wanting = [item for item in self.files.leaves() if not self.files.signed_by(item, new.certificate)]
        self.changes += [f"{item.name} of the new CA" for item in wanting]
        if self._check_mode or not wanting:
            return
        served = aggregation.answering(self._api) if self._aggregates else set()
        signer = self._signer()
        for item in wanting:
            made = signer.leaf(item, new)
            # The key first: a process that reads the pair in between finds that it does not fit, and keeps what it has.
            kprov_fs.atomic_write(real(item.key), made.key.encode(), 0o600)
            kprov_fs.atomic_write(real(item.path), made.certificate.encode(), 0o644)
        self._still_served(served)

    def distrust(self) -> None:
        """Only the new CA, which takes the old one's place."""
        new = self._next()
        served = aggregation.answering(self._api) if self._aggregates and not self._check_mode else set()
        if self.files.trusted() != {new.sha256}:
            self.changes.append(f"{self.files.crt}: the new CA alone")
            if not self._check_mode:
                self._leaves_taken_up(new)
                if self.files.beside(OLD) is None:
                    self.files.put_beside(OLD, self.files.current())
                self.files.replace_key(new.key)
                self.files.trust([new.certificate])
        self._bring_into_use()
        if self._check_mode:
            return
        self._wait_for(probe.ACCEPTED, "new", new)
        old = self.files.beside(OLD)
        if old:
            self._wait_for(probe.REFUSED, "old", old)
        self._still_served(served)

    def publish(self) -> None:
        """API servers behind this one trust only the new CA, too. After every control plane does."""
        if self._aggregates and not self._check_mode and aggregation.publish(self._api, self.files.bundle()[0]):
            self.changes.append(f"ConfigMap extension-apiserver-authentication: {aggregation.FIELD}")

    def clean(self) -> None:
        """Nothing lies beside the CA any more. The old one is in the backups."""
        if self._check_mode:
            return
        self.changes += [f"removed {path}" for suffix in (OLD, NEXT) for path in self.files.forget(suffix)]

    @property
    def _aggregates(self) -> bool:
        return self._authority.name == "front-proxy-ca"

    def _signer(self) -> Signer:
        parameters = self._parameters
        return Signer(
            self._authority, self._pods["kube-apiserver"], parameters["config"], parameters["bin_dir"], self._lock
        )

    def _next(self) -> Pair:
        found = self.files.beside(NEXT)
        if found is None:
            raise StepError(f"{self.files.base}{NEXT}.crt and its key are not here: run the command again")
        return found

    def _wait_for(self, wanted: str, whose: str, pair: Pair) -> None:
        """Show everybody here a certificate of a CA, made for that."""
        shown = self._signer().leaf(items(self._pki)[self._authority.probe], pair)
        where = probe.wait_for(lambda: probe.answers(self._authority, self._pods, shown), wanted, whose, RELOAD_SECONDS)
        self.proofs.append(f"{', '.join(where)} {wanted} the {whose} CA")

    def _published(self, new: Pair) -> None:
        def problem() -> str | None:
            return None if new.sha256 in aggregation.published(self._api) else "it is not there yet"

        if self._aggregates:
            wait(f"{aggregation.PUBLISHED} did not get the new CA", RELOAD_SECONDS, problem)

    def _still_served(self, before: set[str]) -> None:
        def problem() -> str | None:
            silent = (why for path in sorted(before) if (why := aggregation.silent(self._api, path)))
            return next(silent, None)

        wait("other API servers answered before, and did not", HEALTH_SECONDS, problem)
        self.proofs += [f"{path} answers" for path in sorted(before)]

    def _leaves_taken_up(self, new: Pair) -> None:
        """Every leaf is of the new CA, and was for longer than an API server needs to take it up.

        What the API server shows to servers behind it can be seen only by those.
        """
        for item in self.files.leaves():
            if not self.files.signed_by(item, new.certificate):
                raise StepError(f"{item.name} is not of the new CA: run the command again")
        ready = max(os.stat(real(item.path)).st_mtime for item in self.files.leaves()) + RELOAD_SECONDS

        def problem() -> str | None:
            return None if time.time() > ready else "an API server may still use what was there before"

        if self._aggregates:
            wait("the front proxy's new certificate was not in use", RELOAD_SECONDS + 1, problem)

    def _bring_into_use(self) -> None:
        """Restart what reads the bundle only when it starts, and is older than it; etcd before the API server."""
        if not self._authority.readers:
            return
        containers = containers_of_node(self._parameters["bin_dir"])
        written = os.stat(real(self.files.crt)).st_mtime
        for name in self._authority.readers:
            running = containers.running((name,)).get(name)
            if running and running.created > written:
                continue
            if self._check_mode:
                self.changes.append(f"{name} restarted")
                continue
            if not self._parameters["may_restart"]:
                raise StepError(
                    f"{name} knows a CA only from its next start on, and with fewer than three control planes the API "
                    "is away meanwhile: allow it with --accept-outage"
                )
            began = time.monotonic()
            how = containers.restart(name, written, START_SECONDS)
            wait(f"{name} was not healthy", HEALTH_SECONDS, self._healthy[name])
            self.changes.append(f"{name}: {how} in {time.monotonic() - began:.1f} s")

    @property
    def _healthy(self) -> dict:
        return {"etcd": self._etcd_problem, "kube-apiserver": lambda: aggregation.silent(self._api, "/readyz")}

    def _etcd_problem(self) -> str | None:
        try:
            state = Etcd(self._pods["etcd"]).state()
        except StepError as error:
            return str(error)
        if state["leader"] == "0":
            return "it has no leader"
        return None if state["healthy"] else state["problem"] or "it gives no reason"


def fits(pair: dict) -> Pair:
    """What another control plane offered. Raises ValueError for what is none."""
    found = Pair(pair["certificate"], pair["key"])
    from_pem(found.certificate)
    return found
