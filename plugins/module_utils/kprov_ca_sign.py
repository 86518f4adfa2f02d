"""kubeadm as a CA that is not, or not yet, the one in its directory: in a directory of its own, in memory."""

from __future__ import annotations

import os
import re

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_ca_files import Authority, Pair, belongs
from ansible.module_utils.kprov_certificate import from_pem, lost
from ansible.module_utils.kprov_certs_api import kubeadm_config
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import Item, text
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_directory
from ansible.module_utils.kprov_static_pods import StaticPod

SECONDS = 60.0
CLUSTER = re.compile(r"^kind: [\"']?ClusterConfiguration[\"']?[ \t]*$", re.MULTILINE)


class Signer:
    """kubeadm with the cluster's configuration: validity and key type are those of all its certificates."""

    def __init__(self, authority: Authority, api: StaticPod, config: str, bin_dir: str, lock: int | None) -> None:
        self._authority = authority
        path, content = kubeadm_config(api, config, runtime_endpoint())
        self._config = content if content is not None else text(path)
        kubeadm = find_program("kubeadm", bin_dir)
        self._runner = Runner("certs_rotate_ca", os.path.dirname(kubeadm), [], lock)

    def new_authority(self) -> Pair:
        """Another CA of the same kind."""
        with private_directory() as directory:
            config = self._prepare(directory)
            self._runner.kubeadm(["init", "phase", "certs", self._authority.name, "--config", config], SECONDS)
            return _read(f"{directory}/{self._authority.file}")

    def leaf(self, item: Item, authority: Pair) -> Pair:
        """The present certificate, signed by another CA. Raises StepError when it names somebody else."""
        with private_directory() as directory:
            config = self._prepare(directory)
            _write(f"{directory}/{self._authority.file}", authority)
            pki = item.ca[: -len(self._authority.file)]  # with the slash at its end
            own = f"{directory}/{item.path[len(pki) : -len('.crt')]}"
            present = Pair(text(item.path), text(item.key))
            _write(own, present)
            self._runner.kubeadm(["certs", "renew", item.name, "--config", config], SECONDS)
            made = _read(own)
        old, new = from_pem(present.certificate), from_pem(made.certificate)
        if new.serial == old.serial or not belongs(new, from_pem(authority.certificate)):
            raise StepError(f"kubeadm certs renew {item.name} ended well and made no certificate of the new CA")
        differing = lost(old, new)
        if differing:
            raise StepError(f"kubeadm certs renew {item.name} made a certificate with other {', '.join(differing)}")
        return made

    def _prepare(self, directory: str) -> str:
        """kubeadm's configuration with its certificates in another directory; its path."""
        without = re.sub(r"(?m)^certificatesDir:.*\n?", "", self._config)
        config, count = CLUSTER.subn(lambda found: f"{found.group()}\ncertificatesDir: {directory}", without)
        if count != 1:
            raise StepError("kubeadm's configuration has no ClusterConfiguration")
        path = f"{directory}/kubeadm.yaml"
        kprov_fs.atomic_write(path, config.encode(), 0o600)
        return path


def _write(base: str, pair: Pair) -> None:
    kprov_fs.make_directories(os.path.dirname(base), 0o700)
    kprov_fs.atomic_write(base + ".key", pair.key.encode(), 0o600)
    kprov_fs.atomic_write(base + ".crt", pair.certificate.encode(), 0o600)


def _read(base: str) -> Pair:
    """Of a directory that is not the node's: without kprov_paths."""
    found = []
    for ending in (".crt", ".key"):
        with open(base + ending, encoding="ascii") as file:
            found.append(file.read())
    return Pair(*found)
