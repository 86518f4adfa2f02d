"""Serving certificates of a control plane issued again because they lack names, with kubeadm, and proof that it did."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from dataclasses import replace

from ansible.module_utils import kprov_certificate as certificates
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, lost, names
from ansible.module_utils.kprov_certs_api import kubeadm_config
from ansible.module_utils.kprov_certs_renewal import file_content
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import (
    Item,
    authority,
    externally_managed,
    items,
    read,
)
from ansible.module_utils.kprov_kubeadm_names import ConfigError, with_directory, with_names
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_file
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import pki_directory, pods
from ansible.module_utils.kprov_x509 import missing_names

KUBEADM_SECONDS = 60.0
MEMORY = "/run"  # keys of CAs are on no further disk


class Names:
    """The certificates of this node. parameters: names (certificate to wanted ones), config, bin_dir."""

    def __init__(self, parameters: dict, lock: int | None, check_mode: bool) -> None:
        self._wanted: dict[str, list[str]] = parameters["names"]
        self._config = parameters["config"]
        self._check_mode = check_mode
        self._pods = pods()
        self._pki = pki_directory(self._pods)
        self._known = items(self._pki)
        kubeadm = find_program("kubeadm", parameters["bin_dir"])
        self._runner = Runner("certs_renew", os.path.dirname(kubeadm), [], lock)

    def run(self) -> dict:
        """The module's result. Raises StepError, CertificateProblem, OSError."""
        lacking = {name: found for name, wanted in self._wanted.items() if (found := self._lacking(name, wanted))}
        result: dict = {
            "changed": bool(lacking),
            "changes": [f"{name} has {', '.join(found)} now" for name, found in lacking.items()],
            "warnings": [],
            "renewed": {},
        }
        if not lacking or self._check_mode:
            return result
        old = {name: read(self._known[name]) for name in lacking}
        # What the certificate has and the configuration does not say would be lost.
        every = {name: [*names(old[name]), *self._wanted[name]] for name in lacking}
        configuration = self._configuration(every)
        with private_file("kubeadm.yaml", configuration) as config:
            self._runner.kubeadm(["config", "validate", "--config", config], KUBEADM_SECONDS)
            # First: a run that is killed here comes back, because the certificates still lack the names.
            self._runner.kubeadm(["init", "phase", "upload-config", "kubeadm", "--config", config], KUBEADM_SECONDS)
        for name in lacking:
            new = self._issue(self._known[name], old[name], every[name], configuration)
            result["renewed"][name] = {"old": old[name].summary(), "new": new.summary()}
        return result

    def _lacking(self, name: str, wanted: list[str]) -> list[str]:
        item = self._known[name]
        if not os.path.exists(real(item.path)):
            return []
        if externally_managed(item):
            raise StepError(f"{name} lacks names, and the key of its CA is not on this node: have it signed there")
        return missing_names(real(item.path), real(item.key), real(item.ca + ".crt"), wanted)

    def _configuration(self, every: dict[str, list[str]]) -> str:
        path, text = kubeadm_config(self._pods["kube-apiserver"], self._config, runtime_endpoint())
        if text is None:
            with open(real(path), encoding="utf-8") as file:
                text = file.read()
        try:
            return with_names(text, every)
        except ConfigError as error:
            where = path or "ConfigMap kube-system/kubeadm-config"
            raise StepError(
                f"{where}: {error}; put the names in there by hand, then run the same command again"
            ) from error

    def _issue(self, item: Item, old: Certificate, wanted: list[str], configuration: str) -> Certificate:
        """In a directory of its own, in memory: kubeadm replaces none that is there, and what is in use stays so."""
        command = f"kubeadm init phase certs {item.name}"
        with tempfile.TemporaryDirectory(prefix="kprov-", dir=real(MEMORY)) as directory:  # 0700
            there = replace(item, path=self._below(directory, item.path), ca=self._below(directory, item.ca))
            os.makedirs(os.path.dirname(there.ca), exist_ok=True)
            for suffix in (".crt", ".key"):
                kprov_fs.atomic_write(there.ca + suffix, file_content(item.ca + suffix)[0], 0o600)
            with private_file("kubeadm.yaml", with_directory(configuration, directory)) as config:
                self._runner.kubeadm(["init", "phase", "certs", item.name, "--config", config], KUBEADM_SECONDS)
            files = [(item.path, _bytes(there.path)), (item.key, _bytes(there.key))]
            wrong = _judge(certificates.from_pem(files[0][1].decode()), authority(item), old, wanted)
        if wrong:
            raise StepError(f"{command}: {wrong}. {item.path} is as it was before")
        for path, text in reversed(files):  # a run that is killed in between leaves a pair that a renewal mends
            kprov_fs.atomic_write(real(path), text, file_content(path)[1])
        return read(item)

    def _below(self, directory: str, path: str) -> str:
        return os.path.join(directory, os.path.relpath(path, self._pki))


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _judge(new: Certificate, ca: Certificate, old: Certificate, wanted: list[str]) -> str | None:
    """Why the new certificate is not the old one with further names; None: it is."""
    differing = [what for what in lost(old, new) if what != "names"]
    if differing:
        return f"the new certificate has other {', '.join(differing)}"
    there = {plain(name) for name in names(new)}
    gone = [name for name in wanted if plain(name) not in there]
    if gone:
        return f"the new certificate lacks {', '.join(gone)}"
    if new.not_after > ca.not_after:
        return "its CA ends before it would: the CA must be rotated first"
    return None


def plain(name: str) -> str:
    """An address in its shortest form, a DNS name in lower case."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
