"""The certificates of a backup back into their files."""

from __future__ import annotations

import os
import ssl
import stat

from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import Certificate, from_pem, rfc3339
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem, Item, embedded, text
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real

PRIVATE, PUBLIC = 0o600, 0o644  # as kubeadm writes them


class Restore:
    """One backup of this node. directory: of the backup; known: the items to put back, if the backup has them."""

    def __init__(self, directory: str, known: dict[str, Item]) -> None:
        self._directory = directory
        self._known = known
        self._files: dict[str, dict[str, bytes]] = {}
        self.certificates: dict[str, Certificate] = {}
        for name, item in known.items():
            found = {path: backups.archived(directory, path) for path in item.files}
            if all(content is not None for content in found.values()):
                self._files[name] = {path: content for path, content in found.items() if content is not None}
                self.certificates[name] = self._certificate(item)

    def differing(self) -> list[str]:
        """Names of what is not as it was."""
        return [
            name for name, files in self._files.items() if any(_now(path) != content for path, content in files.items())
        ]

    def problems(self, now: float, accept_expired: bool) -> list[str]:
        """What speaks against it. now: seconds since the epoch."""
        todo = self.differing()
        found = [
            f"{ca}.crt is another one than in the backup: what it signed then is worth nothing now"
            for ca in dict.fromkeys(self._known[name].ca for name in todo)
            if backups.archived(self._directory, ca + ".crt") != _now(ca + ".crt")
        ]
        if not accept_expired:
            found += [
                f"{name} of the backup ended at {rfc3339(self.certificates[name].not_after)}"
                for name in todo
                if self.certificates[name].not_after <= now
            ]
        return found + [f"{name} of the backup: {why}" for name in todo if (why := self._broken(name))]

    def write(self, name: str) -> None:
        """Put one item back; mode stays as it is. A new time of change, so that what runs is seen to be older."""
        for path, content in self._files[name].items():
            mode = PUBLIC if path.endswith(".crt") else PRIVATE
            if os.path.exists(real(path)):
                mode = stat.S_IMODE(os.stat(real(path)).st_mode)
            kprov_fs.atomic_write(real(path), content, mode)

    def _certificate(self, item: Item) -> Certificate:
        content = self._files[item.name][item.path].decode()
        try:
            return from_pem(embedded(content, "client-certificate").decode() if item.kubeconfig else content)
        except (OSError, ValueError) as error:
            raise CertificateProblem(f"{item.path} in {self._directory}: {error}") from error

    def _broken(self, name: str) -> str | None:
        """Why certificate and key do not belong together; compared in memory, no disk sees the key."""
        files = self._files[name]
        item = self._known[name]
        if item.kubeconfig:
            content = files[item.path].decode()
            pair = [embedded(content, f"client-{part}") for part in ("certificate", "key")]
        else:
            pair = [files[item.path], files[item.key]]
        descriptor = os.memfd_create("kprov")
        try:
            os.write(descriptor, b"\n".join(pair))
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}")
        except ssl.SSLError as error:
            return f"certificate and key do not belong together ({error.reason})"
        finally:
            os.close(descriptor)
        return None


def directory_of(name: str) -> str:
    """The directory of a backup, "" meaning the newest one. Raises StepError naming those that there are."""
    whole = [os.path.basename(each) for each in backups.whole()]
    wanted = name or (whole[-1] if whole else "")
    if wanted not in whole:
        there = ", ".join(whole) or "none"
        raise StepError(f"there is no whole backup {name} in {backups.BACKUPS}; those there are: {there}")
    return f"{backups.BACKUPS}/{wanted}"


def _now(path: str) -> bytes | None:
    try:
        return text(path).encode()
    except FileNotFoundError:
        return None
