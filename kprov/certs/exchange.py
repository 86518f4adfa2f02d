"""The directory that goes to the owner of a CA and comes back: HOST/ITEM.csr, a list of them, HOST/ITEM.crt beside.

`requests.json` says what each request is; `sign.sh` signs all of them with openssl. Nothing in it is secret.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.identity import identity
from kprov.certs.item import Item
from kprov.certs.node.known import BY_NAME
from kprov.errors import InputError, Problem

KIND = "kprov.certs.requests/v1"
LIST, SCRIPT = "requests.json", "sign.sh"
HEAD = """#!/bin/sh
# Signs every request that has no certificate yet, with openssl 3.0 or newer: CA=DIRECTORY sh sign.sh
# DIRECTORY holds them as kubeadm's pki directory does: ca.crt, ca.key, etcd/ca.crt, etcd/ca.key, ...
set -eu
cd "$(dirname "$0")"
"""


@dataclass(frozen=True)
class Wanted:
    """A request on its way out. item: what is in place. request: PEM. authority: the CA that shall sign."""

    item: Item
    request: str
    authority: Item

    @property
    def name(self) -> str:
        """Path in the directory, without suffix."""
        return f"{self.item.host}/{self.item.name}"

    @property
    def life(self) -> timedelta:
        """As long as the one in place was made to live."""
        return self.item.certificate.not_after - self.item.certificate.not_before

    @property
    def openssl(self) -> str:
        """The line that signs it."""
        ca = "$CA/" + BY_NAME[self.item.authority or "ca"].path
        files = f'-in {shlex.quote(self.name + ".csr")} -CA "{ca}" -CAkey "{ca.removesuffix(".crt")}.key"'
        terms = f'-set_serial "0x$(openssl rand -hex 16)" -days {max(1, round(self.life / timedelta(days=1)))} -sha256'
        return f"openssl x509 -req {files} {terms} -copy_extensions copyall -out {shlex.quote(self.name + '.crt')}"

    def entry(self) -> dict[str, Any]:
        """For machines."""
        asked = identity(x509.load_pem_x509_csr(self.request.encode()))
        return {
            "host": self.item.host,
            "item": self.item.name,
            "request": f"{self.name}.csr",
            "certificate": f"{self.name}.crt",
            "subject": self.item.certificate.subject,
            "sans": sorted(asked.names),
            "key_usage": sorted(asked.key_usage or ()),
            "extended_key_usage": sorted(asked.extended_key_usage or ()),
            "validity_seconds": int(self.life.total_seconds()),
            "ca": self.item.authority,
            "ca_subject": self.authority.certificate.subject,
            "ca_sha256": self.authority.certificate.fingerprint,
            "replaces": {
                "serial": self.item.certificate.serial,
                "not_after": self.item.certificate.not_after.isoformat(),
            },
            "openssl": self.openssl,
        }


@dataclass(frozen=True)
class Answer:
    """A certificate that came back. file: as the user gave the directory. chain: what is in the file after it."""

    host: str
    item: str
    file: str
    certificate: Certificate
    chain: tuple[Certificate, ...]


def listed(directory: Path, cluster: str) -> dict[str, dict[str, Any]]:
    """HOST/ITEM to entry of an earlier export; empty where there was none. Raises InputError for another directory."""
    path = directory / LIST
    if not directory.exists():
        return {}
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory")
    if not path.exists():
        if any(directory.iterdir()):
            hint = "take one that does not exist yet"
            raise InputError(f"{directory} has other files in it, and no {LIST}", hint=hint)
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != KIND:
            raise ValueError(f"kind {document['kind']}")
        whose, entries = document["cluster"], {f"{e['host']}/{e['item']}": e for e in document["requests"]}
        _ = [_line(entry) for entry in entries.values()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not what `kprov certs csr export` writes: {error}") from error
    if whose != cluster:
        raise InputError(f"{directory} is of the cluster {whose}, not {cluster}")
    return entries


def write(directory: Path, cluster: str, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
    """Write requests, list and script; what was exported there earlier stays in the list. Returns the new entries.

    Raises InputError when a certificate lies there that answers another request, and for what cannot be written.
    """
    earlier = listed(directory, cluster)
    for one in wanted:
        old = directory / f"{one.name}.csr"
        if (directory / f"{one.name}.crt").exists() and (not old.exists() or old.read_text() != one.request):
            hint = "take another directory, or remove what was imported from this one"
            raise InputError(f"{directory / one.name}.crt answers an earlier request", hint=hint)
    entries = {one.name: one.entry() for one in wanted}
    everything = {**earlier, **entries}
    document = {"kind": KIND, "cluster": cluster, "requests": list(everything.values())}
    script = HEAD + "".join(_line(entry) for entry in everything.values())
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # First, so that a run that was cut short can be repeated: it is a directory of ours.
        (directory / LIST).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        for one in wanted:
            path = directory / f"{one.name}.csr"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.request, encoding="utf-8")
        (directory / SCRIPT).write_text(script, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename or directory}: {error.strerror or error}") from error
    return list(entries.values())


def read(directory: Path, cluster: str, hosts: Collection[str], only: Collection[str]) -> list[Answer]:
    """What came back for these hosts and items (all if empty). Raises InputError with everything that is missing."""
    entries = listed(directory, cluster)
    if not entries:
        raise InputError(f"{directory} has no {LIST}", hint="--from names the directory of `kprov certs csr export`")
    chosen = {name: e for name, e in entries.items() if e["host"] in hosts and (not only or e["item"] in only)}
    if not chosen:
        raise InputError(f"{directory} has nothing of that host or item", hint=f"it has {', '.join(sorted(entries))}")
    problems = [*_strangers(directory, entries)]
    answers = []
    for name, entry in chosen.items():
        file = directory / f"{name}.crt"
        try:
            leaf, *chain = from_pem(file.read_text(encoding="utf-8"))
            answers.append(Answer(entry["host"], entry["item"], str(file), leaf, tuple(chain)))
        except FileNotFoundError:
            message = "there is no such file: the request beside it has not been answered"
            hint = f"--host and --only import a part (here without {name})"
            problems.append(Problem("error", "not-answered", message, host=entry["host"], file=str(file), hint=hint))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or f"not a certificate in PEM ({error})"
            problems.append(Problem("error", "not-a-certificate", why, host=entry["host"], file=str(file)))
    if problems:
        raise InputError(
            f"{len(problems)} of {len(chosen)} certificates cannot be imported"
            if len(problems) > 1
            else "a certificate cannot be imported",
            problems=problems,
            hint="nothing was changed",
        )
    return answers


def _line(entry: Mapping[str, Any]) -> str:
    """Of the script: what has been signed stays as it is, so that it may run again."""
    return f"[ -e {shlex.quote(entry['certificate'])} ] || {entry['openssl']}\n"


def _strangers(directory: Path, entries: Mapping[str, Any]) -> Iterator[Problem]:
    """Certificates that no request is for: a misspelt name must not look like "not answered yet"."""
    for file in sorted(directory.glob("*/*.crt")):
        name = f"{file.parent.name}/{file.stem}"
        if name not in entries:
            yield Problem("error", "no-request", f"{LIST} has no {name}", file=str(file))
